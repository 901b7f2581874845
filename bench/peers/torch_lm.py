"""Language models in PyTorch: llama-110m (d 768, 12 layers, 12 heads, ffn 2048, V 32000, tied) for a prompt of 512 tokens and for
one token at position 128, in float32 and bfloat16; and a training step of GPT-2's smallest shape on 256 tokens with AdamW.

Random weights N(0, 0.02), the key and value cache allocated beforehand, attention by scaled_dot_product_attention, the head on the
last position only. Prints a JSON line for each of the names given (all of them by default): lm_prefill_110m, lm_decode_110m and
lm_train_gpt2, each also with _bf16 (in training: automatic mixed precision).
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

from timing import emit, measure, peak_growth, process_peak_bytes

LAYERS, HEADS, WIDTH, CAPACITY = 12, 12, 768, 1024


class Block(nn.Module):
    def __init__(self, ffn):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(WIDTH, ffn, bias=False) for _ in range(2))
        self.down = nn.Linear(ffn, WIDTH, bias=False)
        self.norm1, self.norm2 = (nn.Parameter(torch.ones(WIDTH)) for _ in range(2))

    def forward(self, x, cos, sin, cache, start):
        n, head = x.shape[0], WIDTH // HEADS

        def turn(t):
            a, b = t.chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        h = F.rms_norm(x, (WIDTH,), self.norm1, 1e-6)
        q = turn(self.q(h).view(n, HEADS, head).transpose(0, 1))
        k = turn(self.k(h).view(n, HEADS, head).transpose(0, 1))
        keys, values = cache
        keys[:, start : start + n] = k
        values[:, start : start + n] = self.v(h).view(n, HEADS, head).transpose(0, 1)
        o = F.scaled_dot_product_attention(q[None], keys[None, :, : start + n], values[None, :, : start + n], is_causal=n > 1)
        x = x + self.o(o[0].transpose(0, 1).reshape(n, WIDTH))
        h = F.rms_norm(x, (WIDTH,), self.norm2, 1e-6)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self, ffn=2048, vocab=32000):
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(vocab, WIDTH))
        self.blocks = nn.ModuleList(Block(ffn) for _ in range(LAYERS))
        self.norm = nn.Parameter(torch.ones(WIDTH))
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)

    def prepare(self, dtype):
        self.to(dtype)
        head = WIDTH // HEADS
        inverse = 10000.0 ** (-torch.arange(0, head, 2) / head)
        angles = torch.arange(CAPACITY)[:, None] * inverse
        self.cos, self.sin = angles.cos().to(dtype), angles.sin().to(dtype)
        shape = (HEADS, CAPACITY, head)
        self.cache = [(torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)) for _ in self.blocks]
        return self

    def forward(self, ids, start):
        x = self.embedding[ids]
        cos, sin = self.cos[start : start + len(ids)], self.sin[start : start + len(ids)]
        for block, cache in zip(self.blocks, self.cache):
            x = block(x, cos, sin, cache, start)
        return F.rms_norm(x[-1:], (WIDTH,), self.norm, 1e-6) @ self.embedding.T


class GPT2Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc, self.out = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = (t.view(b, n, HEADS, -1).transpose(1, 2) for t in self.attn(self.ln_1(x)).chunk(3, -1))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(o.transpose(1, 2).reshape(b, n, WIDTH))
        return x + self.out(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self, vocab=50257):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, WIDTH), nn.Embedding(1024, WIDTH)
        self.blocks = nn.ModuleList(GPT2Block() for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH)
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, ids, labels):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = self.ln_f(x) @ self.wte.weight.T
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


def infer(dtype, suffix, names, threads):
    if not {"lm_prefill_110m" + suffix, "lm_decode_110m" + suffix} & set(names):
        return
    model = Llama().prepare(dtype)
    prompt, token = torch.arange(512) * 7919 % 32000, torch.tensor([13])
    with torch.inference_mode():
        for name, call, repeats in (
            ("lm_prefill_110m" + suffix, lambda: model(prompt, 0), 7),
            ("lm_decode_110m" + suffix, lambda: model(token, 128), 40),
        ):
            if name in names:
                emit(name, measure(call, 2, repeats, 6.0), threads, peak_rss=process_peak_bytes())


def train(threads, bf16):
    model = GPT2()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
    ids = (torch.arange(257) * 7919 % 50257)[None]

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(ids[:, :-1], ids[:, 1:])
        loss.backward()
        optimizer.step()

    growth, peak = peak_growth(lambda: (step(), step()))
    emit("lm_train_gpt2" + ("_bf16" if bf16 else ""), measure(step, 1, 5, 10.0), threads, rss_growth=growth, peak_rss=peak)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[job + suffix for job in ("lm_prefill_110m", "lm_decode_110m", "lm_train_gpt2")
                                                     for suffix in ("", "_bf16")])
    parser.add_argument("--threads", type=int, default=1)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    infer(torch.float32, "", a.names, a.threads)
    infer(torch.bfloat16, "_bf16", a.names, a.threads)
    for name in a.names:
        if name.startswith("lm_train_gpt2"):
            train(a.threads, name.endswith("_bf16"))


if __name__ == "__main__":
    main()
