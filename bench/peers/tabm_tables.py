"""TabM (arXiv 2410.24210, package tabm) with its defaults and piecewise-linear embeddings on the tables of docs/results/tabr.md: the
same split files; numbers through scikit-learn's quantile map, missing ones as the median with an indicator; AdamW, patience 16.

    tabm_tables.py DATA_FOLDER [--tables penguins,churn] [--seeds 3]        prints lines like those of tables.py; one thread
"""

import argparse
import csv
import json
import math
import time
from pathlib import Path

import numpy as np
import rtdl_num_embeddings
import torch
from sklearn.preprocessing import QuantileTransformer
from tabm import TabM
from tables import read_table, scores


def arrays(data, seed):
    """x_num, x_cat (codes, the last one for what training has not seen), cardinalities."""
    frame, part, text = data["cat"], data["part"], data["text"]
    numbers = frame.drop(columns=text).to_numpy(dtype=np.float64)
    lost = np.isnan(numbers)
    columns = [np.where(lost[:, j], np.nanmedian(numbers[part == 0, j]), numbers[:, j]) for j in range(numbers.shape[1])]
    columns += [lost[:, j].astype(float) for j in range(numbers.shape[1]) if lost[part == 0, j].any()]
    x = np.stack(columns, axis=1)
    x = x[:, [len(np.unique(x[part == 0, j])) > 1 for j in range(x.shape[1])]]
    rows = int((part == 0).sum())
    noise = np.random.default_rng(seed).normal(0, 1e-5, (rows, x.shape[1]))
    q = QuantileTransformer(n_quantiles=max(min(rows // 30, 1000), 10), output_distribution="normal", subsample=10**9)
    q.fit(x[part == 0] + noise)
    codes = [frame[c].cat.codes.to_numpy() for c in text]
    sizes = [len(frame[c].cat.categories) + 1 for c in text]
    cat = np.stack([np.where(c < 0, n - 1, c) for c, n in zip(codes, sizes)], axis=1) if text else None
    return torch.tensor(q.transform(x), dtype=torch.float32), None if cat is None else torch.tensor(cat, dtype=torch.long), sizes


def run(data, seed, patience=16):
    torch.manual_seed(seed)
    x, cat, sizes = arrays(data, seed)
    part, task = torch.tensor(data["part"]), data["task"]
    train, mean, sd = part == 0, 0.0, 1.0
    y = torch.tensor(data["y"], dtype=torch.float32 if task == "regression" else torch.long)
    if task == "regression":
        mean, sd = y[train].mean(), y[train].std(unbiased=False)
        y = (y - mean) / sd
    bins = rtdl_num_embeddings.compute_bins(x[train], n_bins=48)
    embedding = rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins, d_embedding=16, activation=False, version="B")
    model = TabM.make(n_num_features=x.shape[1], cat_cardinalities=sizes, d_out=data["classes"] or 1, num_embeddings=embedding)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=3e-4)
    loss_of = torch.nn.functional.mse_loss if task == "regression" else torch.nn.functional.cross_entropy

    def outputs(index):
        return model(x[index], None if cat is None else cat[index])

    def predict(k):
        model.eval()
        with torch.no_grad():
            z = torch.cat([outputs(i) for i in torch.where(part == k)[0].split(4096)])
            return (z.squeeze(-1).mean(1) * sd + mean if task == "regression" else z.softmax(-1).mean(1)).numpy()

    best, kept, left = -math.inf, None, patience
    truth = data["y"][data["part"] == 1]
    while left >= 0:
        model.train()
        rows = torch.where(train)[0]
        for batch in rows[torch.randperm(len(rows))].split(256):
            z = outputs(batch)
            k = z.shape[1]
            target = y[batch].repeat_interleave(k)
            loss = loss_of(z.flatten(0, 1).squeeze(-1) if task == "regression" else z.flatten(0, 1), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        s = scores(task, truth, predict(1))
        score = -s["rmse"] if "rmse" in s else s["accuracy"]
        left -= 1
        if score > best:
            best, kept, left = score, {n: p.clone() for n, p in model.state_dict().items()}, patience
    model.load_state_dict(kept)
    return scores(task, data["y"][data["part"] == 2], predict(2))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with open(Path(__file__).parent.with_name("tables.tsv")) as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        if arguments.tables and row["table"] not in arguments.tables.split(","):
            continue
        data = read_table(arguments.folder, row)
        begin = time.perf_counter()
        results = [run(data, seed) for seed in range(arguments.seeds)]
        metric = "rmse" if data["task"] == "regression" else "accuracy"
        print(
            json.dumps(
                {
                    "table": row["table"],
                    "model": "tabm",
                    "tuned": False,
                    "metric": metric,
                    "test": [r[metric] for r in results],
                    "logloss": [r.get("logloss", math.nan) for r in results],
                    "seconds": time.perf_counter() - begin,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
