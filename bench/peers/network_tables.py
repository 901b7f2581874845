"""Networks on the tables of docs/results/tabr.md, in their defaults: TabM (arXiv 2410.24210, package tabm) with piecewise-linear
embeddings, and RealMLP (arXiv 2407.04491, package pytabkit). Same split files as Weft; the validation part stops or chooses.

    network_tables.py DATA_FOLDER [--models tabm,realmlp] [--tables penguins,churn] [--seeds 3] [--first-seed 0] [--device cuda]

Prints lines like those of tables.py; on the CPU one thread. Missing numbers are the median, with an indicator beside it."""

import argparse
import math
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from tables import each_table, report, scores

warnings.filterwarnings("ignore")


def numbers_of(data):
    """[rows, columns] float64: missing ones filled, constant columns left out."""
    x, part = data["cat"].drop(columns=data["text"]).to_numpy(dtype=np.float64), data["part"]
    lost = np.isnan(x)
    columns = [np.where(lost[:, j], np.nanmedian(x[part == 0, j]), x[:, j]) for j in range(x.shape[1])]
    columns += [lost[:, j].astype(float) for j in range(x.shape[1]) if lost[part == 0, j].any()]
    x = np.stack(columns, axis=1)
    return x[:, [len(np.unique(x[part == 0, j])) > 1 for j in range(x.shape[1])]]


def codes_of(data):
    """Codes [rows, columns] (the last one for what training has not seen), numbers of codes; None and [] without categories."""
    categories = [data["cat"][c].cat for c in data["text"]]
    sizes = [len(c.categories) + 1 for c in categories]
    codes = [np.where(c.codes < 0, n - 1, c.codes) for c, n in zip(categories, sizes)]
    return (np.stack(codes, axis=1) if codes else None), sizes


def quantiles(x, part, seed):
    from sklearn.preprocessing import QuantileTransformer

    rows = int((part == 0).sum())
    noise = np.random.default_rng(seed).normal(0, 1e-5, (rows, x.shape[1]))
    q = QuantileTransformer(n_quantiles=max(min(rows // 30, 1000), 10), output_distribution="normal", subsample=10**9)
    return q.fit(x[part == 0] + noise).transform(x)


def fit_tabm(data, seed, device, patience=16):
    """AdamW, batches of 256, until more than `patience` epochs bring nothing."""
    import rtdl_num_embeddings
    from tabm import TabM

    torch.manual_seed(seed)
    codes, sizes = codes_of(data)
    part, task = torch.tensor(data["part"], device=device), data["task"]
    x = torch.tensor(quantiles(numbers_of(data), data["part"], seed), dtype=torch.float32, device=device)
    cat = None if codes is None else torch.tensor(codes, dtype=torch.long, device=device)
    train, mean, sd = part == 0, 0.0, 1.0
    y = torch.tensor(data["y"], dtype=torch.float32 if task == "regression" else torch.long, device=device)
    if task == "regression":
        mean, sd = y[train].mean(), y[train].std(unbiased=False)
        y = (y - mean) / sd
    bins = rtdl_num_embeddings.compute_bins(x[train], n_bins=48)
    embedding = rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins, d_embedding=16, activation=False, version="B")
    model = TabM.make(n_num_features=x.shape[1], cat_cardinalities=sizes, d_out=data["classes"] or 1, num_embeddings=embedding).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=3e-4)
    loss_of = torch.nn.functional.mse_loss if task == "regression" else torch.nn.functional.cross_entropy

    def outputs(index):
        return model(x[index], None if cat is None else cat[index])

    def predict(k):
        model.eval()
        with torch.no_grad():
            z = torch.cat([outputs(i) for i in torch.where(part == k)[0].split(4096)])
            return (z.squeeze(-1).mean(1) * sd + mean if task == "regression" else z.softmax(-1).mean(1)).cpu().numpy()

    best, kept, left = -math.inf, None, patience
    truth, rows = data["y"][data["part"] == 1], torch.where(train)[0]
    while left >= 0:
        model.train()
        for batch in rows[torch.randperm(len(rows), device=device)].split(256):
            z = outputs(batch)
            target = y[batch].repeat_interleave(z.shape[1])
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
    return predict


def fit_realmlp(data, seed, device):
    """256 epochs of which the best by the validation part is kept, as the package does it."""
    import pandas as pd
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    x, part = numbers_of(data), data["part"]
    frame = pd.DataFrame(x, columns=[f"n{j}" for j in range(x.shape[1])])
    codes, _ = codes_of(data)
    text = [] if codes is None else [f"c{j}" for j in range(codes.shape[1])]
    for j, name in enumerate(text):
        frame[name] = pd.Categorical(codes[:, j])
    kind = RealMLP_TD_Regressor if data["task"] == "regression" else RealMLP_TD_Classifier
    m = kind(device=device, random_state=seed, n_cv=1, n_refit=0, n_threads=1)
    train, val = part == 0, part == 1
    m.fit(frame[train], data["y"][train], X_val=frame[val], y_val=data["y"][val], cat_col_names=text)
    return lambda k: m.predict(frame[part == k]) if data["task"] == "regression" else m.predict_proba(frame[part == k])


FITS = {"tabm": fit_tabm, "realmlp": fit_realmlp}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables")
    parser.add_argument("--models", default="tabm,realmlp")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for table, data in each_table(arguments.folder, arguments.tables):
        for model in arguments.models.split(","):
            begin = time.perf_counter()
            results = []
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                predict = FITS[model](data, seed, arguments.device)
                results.append(scores(data["task"], data["y"][data["part"] == 2], predict(2)))
            report(table, model, data, results, begin, tuned=False, device=arguments.device)


if __name__ == "__main__":
    main()
