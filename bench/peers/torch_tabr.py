"""TabR-S default, and TabR with numbers embedded by PLR(lite), in PyTorch, as the reference formulates them: every candidate
encoded in every step, T applied to each (row, neighbour) pair, search by one product and top-k over all candidates.

Sizes are those of California housing: 13,209 candidates x 8 numbers, batch 256, context 96. The numbers themselves are
made up (speed does not depend on them). Prints a JSON line for each of: tabr_step, tabr_step_memory_efficient,
tabr_plr_step, tabr_plr_step_memory_efficient, tabr_predict_bulk, tabr_predict_bulk_cached, tabr_predict_one,
tabr_predict_one_cached.

Memory: rss_growth is the resident peak of the first steps over what was resident just before them (model, data and
PyTorch itself loaded); peak_rss is the whole process.
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

from timing import emit, measure, peak_growth, process_peak_bytes

CONTEXT = 96
LEARNING_RATE, WEIGHT_DECAY = 3.121273641315169e-4, 1.2260352006404615e-6

# width, dropout of contexts, other dropout; frequencies, their scale and the width of a number's embedding (None: no embedding)
TABR_S = (265, 0.38920071545944357, 0.38852797479169876, None)
TABR_PLR = (128, 0.32, 0.3, (48, 0.24, 24))


class PLRLite(nn.Module):
    """relu(A [cos 2 pi f x, sin 2 pi f x] + a), f [F, k] of each feature, A and a shared; [B, F] -> [B, F * width]."""

    def __init__(self, features, frequencies, scale, width):
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(features, frequencies) * scale)
        self.linear = nn.Linear(2 * frequencies, width)

    def forward(self, x):
        x = 2 * torch.pi * self.frequencies[None] * x[..., None]
        return self.linear(torch.cat([torch.cos(x), torch.sin(x)], -1)).relu().flatten(1)


class TabR(nn.Module):
    """Regression, no encoder block, one predictor block; 637,856 parameters for TabR-S at 8 inputs."""

    def __init__(self, d_in, settings, memory_efficient):
        super().__init__()
        d, self.context_dropout, dropout, embedding = settings
        h = 2 * d
        self.memory_efficient = memory_efficient
        self.embedding = PLRLite(d_in, *embedding) if embedding else nn.Identity()
        self.linear = nn.Linear(d_in * embedding[2] if embedding else d_in, d)
        self.K = nn.Linear(d, d)
        self.label_encoder = nn.Linear(1, d)
        self.T = nn.Sequential(nn.Linear(d, h), nn.ReLU(), nn.Dropout(dropout), nn.Linear(h, d, bias=False))
        self.block = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, h), nn.ReLU(), nn.Dropout(dropout), nn.Linear(h, d))
        self.head = nn.Sequential(nn.LayerNorm(d), nn.ReLU(), nn.Linear(d, 1))

    def encode(self, x):
        x = self.linear(self.embedding(x))
        return x, self.K(x)

    def candidate_keys(self, x):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.memory_efficient):
            return self.encode(x)[1]

    def forward(self, x, y, candidate_x, candidate_y, candidate_k=None):
        """x [B,F]; y [B] in training, else None; candidates [N,F], [N], in training without the batch's own rows."""
        if candidate_k is None:
            candidate_k = self.candidate_keys(candidate_x)
        query_x = x
        x, k = self.encode(x)
        context_size = CONTEXT
        if y is not None:
            candidate_k = torch.cat([k, candidate_k])
            candidate_y = torch.cat([y, candidate_y])
            context_size += 1
        with torch.no_grad():
            # |q|^2 is the same for all candidates of a row, so it does not change the choice
            distances = torch.addmm(candidate_k.square().sum(-1)[None], k, candidate_k.T, alpha=-2)
            distances, context_idx = distances.topk(context_size, dim=1, largest=False)
            if y is not None:
                rows = torch.arange(len(x))[:, None]
                distances[context_idx == rows] = torch.inf
                context_idx = context_idx.gather(1, distances.argsort(dim=1)[:, :-1])
        if self.memory_efficient and torch.is_grad_enabled():
            context_k = self.encode(torch.cat([query_x, candidate_x])[context_idx].flatten(0, 1))[1]
            context_k = context_k.reshape(*context_idx.shape, -1)
        else:
            context_k = candidate_k[context_idx]
        similarities = -k.square().sum(-1, keepdim=True) + 2 * (k[:, None] @ context_k.transpose(1, 2)).squeeze(1)
        similarities = similarities - context_k.square().sum(-1)
        probabilities = F.dropout(F.softmax(similarities, dim=-1), self.context_dropout, self.training)
        values = self.label_encoder(candidate_y[context_idx][..., None]) + self.T(k[:, None] - context_k)
        x = x + (probabilities[:, None] @ values).squeeze(1)
        x = x + self.block(x)
        return self.head(x).squeeze(-1)


def training(job, arguments, x, y):
    settings = TABR_PLR if job.startswith("plr") else TABR_S
    model = TabR(arguments.features, settings, job.endswith("memory_efficient"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    model.train()

    def step():
        batch = torch.randperm(len(x))[: arguments.batch]
        others = torch.ones(len(x), dtype=torch.bool)
        others[batch] = False
        optimizer.zero_grad()
        F.mse_loss(model(x[batch], y[batch], x[others], y[others]), y[batch]).backward()
        optimizer.step()

    growth, _ = peak_growth(lambda: [step() for _ in range(2)])
    seconds = measure(step, warm_up=1, repeats=arguments.repeats, budget=arguments.budget)
    parameters = sum(p.numel() for p in model.parameters())
    emit("tabr_" + job, seconds, arguments.threads, rss_growth=growth, peak_rss=process_peak_bytes(), parameters=parameters)


def prediction(arguments, x, y):
    model = TabR(arguments.features, TABR_S, False).eval()
    with torch.inference_mode():
        keys = model.candidate_keys(x)
        for rows, name in ((arguments.bulk, "tabr_predict_bulk"), (1, "tabr_predict_one")):
            new = torch.randn(rows, arguments.features)
            for suffix, cached in (("", None), ("_cached", keys)):
                call = lambda: model(new, None, x, y, cached)
                growth, _ = peak_growth(call)
                seconds = measure(call, warm_up=2, repeats=arguments.repeats * (20 if rows == 1 else 1), budget=arguments.budget)
                emit(name + suffix, seconds, arguments.threads, rss_growth=growth, peak_rss=process_peak_bytes())


STEPS = ["step", "step_memory_efficient", "plr_step", "plr_step_memory_efficient"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", choices=[*STEPS, "predict"],
                        help="default: all; give one for its memory alone")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rows", type=int, default=13209)
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--bulk", type=int, default=4128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--budget", type=float, default=30.0, help="seconds a measurement may take")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    x, y = torch.randn(arguments.rows, arguments.features), torch.randn(arguments.rows)
    jobs = arguments.jobs or [*STEPS, "predict"]
    for job in STEPS:
        if job in jobs:
            training(job, arguments, x, y)
    if "predict" in jobs:
        prediction(arguments, x, y)


if __name__ == "__main__":
    main()
