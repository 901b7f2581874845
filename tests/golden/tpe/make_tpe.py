"""Makes parzen.json: densities and splits as Optuna 4.5.0 (pip install optuna==4.5.0) computes them with its default, univariate
sampler, for made-up observations."""

import functools
import json

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import _split_trials, default_gamma, default_weights
from optuna.trial import TrialState, create_trial

# Values that are equal may stand in any order; with a stable sort it is that of the trials, as in Weft.
np.argsort = functools.partial(np.argsort, kind="stable")
rng = np.random.default_rng(0)
parameters = _ParzenEstimatorParameters(1.0, True, False, default_weights, False, {})
axes = [
    ("real", 0.0, 0.6, False, FloatDistribution(0.0, 0.6)),
    ("real", 3e-5, 1e-3, True, FloatDistribution(3e-5, 1e-3, log=True)),
    ("integer", 96, 384, False, IntDistribution(96, 384)),
    ("integer", 1, 2, False, IntDistribution(1, 2)),
    ("choice", 0, 1, False, CategoricalDistribution([0, 1])),
    ("choice", 0, 3, False, CategoricalDistribution([0, 1, 2, 3])),
]


def draw(kind, least, most, log, n):
    if kind != "real":
        return rng.integers(int(least), int(most) + 1, n).astype(float)
    values = np.exp(rng.uniform(np.log(least), np.log(most), n)) if log else rng.uniform(least, most, n)
    values[: n // 8] = least  # at an end, and several at one place
    return values


densities = []
for kind, least, most, log, distribution in axes:
    for n in (0, 1, 2, 3, 7, 24, 25, 26, 40):
        observed = draw(kind, least, most, log, n)
        points = draw(kind, least, most, log, 8)
        p = _ParzenEstimator({"x": observed}, {"x": distribution}, parameters)
        d = p._mixture_distribution
        one = d.distributions[0]
        densities.append(
            {
                "kind": kind,
                "least": least,
                "most": most,
                "log": log,
                "observed": observed.tolist(),
                "weight": d.weights.tolist(),
                "sigma": [] if kind == "choice" else one.sigma.tolist(),
                "points": points.tolist(),
                "log_density": p.log_pdf({"x": points}).tolist(),
            }
        )

splits = []
study = optuna.create_study(direction="maximize")
for n in (1, 9, 10, 11, 37, 300):
    trials = []
    for i in range(n):
        pruned = rng.random() < (0.9 if n == 37 else 0.3)
        score = float(np.round(rng.normal(), 1))  # ties
        epochs = int(rng.integers(1, 5))
        trial = create_trial(
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
            value=score,
            intermediate_values={epochs: score},
        )
        trial.number = i
        trials.append(trial)
    below, _ = _split_trials(study, trials, default_gamma(n), False)
    splits.append(
        {
            "score": [t.value for t in trials],
            "pruned": [t.state == TrialState.PRUNED for t in trials],
            "epochs": [max(t.intermediate_values) for t in trials],
            "below": [t.number for t in below],
        }
    )

with open("parzen.json", "w") as file:
    json.dump({"optuna": optuna.__version__, "densities": densities, "splits": splits}, file)
