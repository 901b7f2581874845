"""Boosted trees on the tables of docs/results/tabr.md: library defaults, and tuned with Optuna's TPE over the spaces of the TabR
paper. Same split files as Weft; the validation part stops training and chooses; the test part is only measured.

    tables.py DATA_FOLDER [--tables penguins,churn] [--models xgboost,lightgbm,catboost] [--trials 20] [--seeds 3]

A JSON line a model: {"table", "model", "tuned", "trials", "metric", "test": [a number a seed], "logloss": […], "seconds"}.
XGBoost reads categories one-hot, LightGBM and CatBoost as their own kind; missing numbers go to the libraries as they are. One
thread each."""

import argparse
import csv
import json
import math
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
MISSING = {"", "NA", "N/A", "NaN", "nan", "null"}
ROUNDS = 4000


def read_table(folder, row):
    name, target, task, drop = row["table"], row["target"], row["task"], row["drop"].split(",")
    frame = pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=sorted(MISSING))
    part = pd.read_csv(folder / f"{name}.split.csv")["split"].to_numpy()
    y = frame.pop(target)
    frame = frame.drop(columns=[c for c in drop if c != "-"])
    if task == "regression":
        y = y.to_numpy(dtype=float)
    else:
        classes = sorted(y[part == 0].unique())
        y = y.map({c: i for i, c in enumerate(classes)}).to_numpy()
    text = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
    for c in text:
        frame[c] = frame[c].astype(object).where(frame[c].notna(), "missing").astype(str)
        levels = sorted(frame.loc[part == 0, c].unique())
        frame[c] = pd.Categorical(frame[c], categories=levels)
    hot = pd.get_dummies(frame, columns=text, dtype=float) if text else frame
    cat = frame.copy()
    for c in text:
        cat[c] = cat[c].astype(object).where(cat[c].notna(), "unseen").astype("category")
    return {"task": task, "y": y, "part": part, "hot": hot, "cat": cat, "text": text, "classes": 0 if task == "regression" else len(classes)}


def scores(task, y, prediction):
    if task == "regression":
        return {"rmse": float(np.sqrt(np.mean((y - prediction) ** 2)))}
    p = np.asarray(prediction, dtype=float)
    p = p / p.sum(axis=1, keepdims=True)
    eps = 2.0**-23
    return {
        "accuracy": float(np.mean(p.argmax(axis=1) == y)),
        "logloss": float(-np.mean(np.log(np.clip(p[np.arange(len(y)), y], eps, 1 - eps)))),
    }


def fit_xgboost(data, seed, options, patience):
    import xgboost

    x, y, part = data["hot"].to_numpy(dtype=np.float32), data["y"], data["part"]
    kind = xgboost.XGBRegressor if data["task"] == "regression" else xgboost.XGBClassifier
    m = kind(n_estimators=ROUNDS, early_stopping_rounds=patience, n_jobs=1, random_state=seed, tree_method="hist", verbosity=0, **options)
    m.fit(x[part == 0], y[part == 0], eval_set=[(x[part == 1], y[part == 1])], verbose=False)
    return lambda k: m.predict(x[part == k]) if data["task"] == "regression" else m.predict_proba(x[part == k])


def fit_lightgbm(data, seed, options, patience):
    import lightgbm

    x, y, part = data["cat"].copy(), data["y"], data["part"]
    x.columns = [f"c{i}" for i in range(x.shape[1])]
    kind = lightgbm.LGBMRegressor if data["task"] == "regression" else lightgbm.LGBMClassifier
    m = kind(n_estimators=ROUNDS, n_jobs=1, random_state=seed, verbosity=-1, **options)
    m.fit(x[part == 0], y[part == 0], eval_set=[(x[part == 1], y[part == 1])], callbacks=[lightgbm.early_stopping(patience, verbose=False)])
    return lambda k: m.predict(x[part == k]) if data["task"] == "regression" else m.predict_proba(x[part == k])


def fit_catboost(data, seed, options, patience):
    import catboost

    x, y, part = data["cat"].copy(), data["y"], data["part"]
    for c in data["text"]:
        x[c] = x[c].astype(str)
    kind = catboost.CatBoostRegressor if data["task"] == "regression" else catboost.CatBoostClassifier
    m = kind(iterations=ROUNDS, thread_count=1, random_seed=seed, verbose=False, allow_writing_files=False, cat_features=data["text"], **options)
    m.fit(x[part == 0], y[part == 0], eval_set=(x[part == 1], y[part == 1]), early_stopping_rounds=patience)
    return lambda k: m.predict(x[part == k]) if data["task"] == "regression" else m.predict_proba(x[part == k])


def maybe(trial, name, low, high):
    return trial.suggest_float(name, low, high, log=True) if trial.suggest_categorical("?" + name, [False, True]) else 0.0


SPACES = {
    "xgboost": lambda t: {
        "colsample_bytree": t.suggest_float("colsample_bytree", 0.5, 1),
        "gamma": maybe(t, "gamma", 1e-3, 100),
        "reg_lambda": maybe(t, "reg_lambda", 0.1, 10),
        "learning_rate": t.suggest_float("learning_rate", 1e-3, 1, log=True),
        "max_depth": t.suggest_int("max_depth", 3, 14),
        "min_child_weight": t.suggest_float("min_child_weight", 1e-4, 100, log=True),
        "subsample": t.suggest_float("subsample", 0.5, 1),
    },
    "lightgbm": lambda t: {
        "colsample_bytree": t.suggest_float("colsample_bytree", 0.5, 1),
        "reg_lambda": maybe(t, "reg_lambda", 0.1, 10),
        "learning_rate": t.suggest_float("learning_rate", 1e-3, 1, log=True),
        "num_leaves": t.suggest_int("num_leaves", 4, 768),
        "min_child_weight": t.suggest_float("min_child_weight", 1e-4, 100, log=True),
        "subsample": t.suggest_float("subsample", 0.5, 1),
        "subsample_freq": 1,
    },
    "catboost": lambda t: {
        "bagging_temperature": t.suggest_float("bagging_temperature", 0, 1),
        "depth": t.suggest_int("depth", 3, 10),
        "l2_leaf_reg": t.suggest_float("l2_leaf_reg", 0.1, 10),
        "leaf_estimation_iterations": t.suggest_int("leaf_estimation_iterations", 1, 10),
        "learning_rate": t.suggest_float("learning_rate", 1e-2, 1, log=True),
    },
}
FITS = {"xgboost": fit_xgboost, "lightgbm": fit_lightgbm, "catboost": fit_catboost}


def objective_value(data, predict):
    s = scores(data["task"], data["y"][data["part"] == 1], predict(1))
    return -s["rmse"] if "rmse" in s else s["accuracy"]


def measure(data, model, options, seeds, patience):
    results = []
    for seed in range(seeds):
        predict = FITS[model](data, seed, options, patience)
        results.append(scores(data["task"], data["y"][data["part"] == 2], predict(2)))
    return results


def tune(data, model, trials, budget):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))

    def objective(trial):
        options = SPACES[model](trial)
        trial.set_user_attr("options", options)
        return objective_value(data, FITS[model](data, 0, options, 100))

    begin = time.process_time()

    def stop(study, trial):
        if time.process_time() - begin > budget:
            study.stop()

    study.optimize(objective, n_trials=trials, callbacks=[stop])
    return study.best_trial.user_attrs["options"], len(study.trials)


def each_table(folder, names):
    """The rows of tables.tsv that `names` (with commas; None: all) holds, with what they read."""
    with open(Path(__file__).parent.with_name("tables.tsv")) as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        if not names or row["table"] in names.split(","):
            yield row["table"], read_table(folder, row)


def report(table, model, data, results, begin, **more):
    """Prints a model's line; `results` are the scores of its seeds, `begin` when it was started."""
    metric = "rmse" if data["task"] == "regression" else "accuracy"
    line = {
        "table": table,
        "model": model,
        **more,
        "metric": metric,
        "test": [r[metric] for r in results],
        "logloss": [r.get("logloss", math.nan) for r in results],
        "seconds": time.perf_counter() - begin,
    }
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables")
    parser.add_argument("--models", default="xgboost,lightgbm,catboost")
    parser.add_argument("--trials", type=int, default=0, help="0: library defaults alone")
    parser.add_argument("--budget", type=float, default=600, help="processor seconds after which no trial of a model begins")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for table, data in each_table(arguments.folder, arguments.tables):
        for model in arguments.models.split(","):
            begin = time.perf_counter()
            options, trials = tune(data, model, arguments.trials, arguments.budget) if arguments.trials else ({}, 0)
            results = measure(data, model, options, arguments.seeds, 100)
            report(table, model, data, results, begin, tuned=bool(arguments.trials), trials=trials)


if __name__ == "__main__":
    main()
