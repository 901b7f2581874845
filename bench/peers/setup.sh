#!/bin/sh
# Makes the virtual environment that the peers of the benchmarks run in, from the registries that pip is set up with.
#   bench/peers/setup.sh              -> .venv at the root of the project (ignored by git)
#   VENV=/some/folder bench/peers/setup.sh
# PYTHON names the interpreter (default python3). Running it again brings the environment up to date.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${VENV:-$(cd "$here/../.." && pwd)/.venv}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet -r "$here/requirements.txt"
# faiss has no wheel for every platform; without it bench/compare.py leaves the search rows without a peer.
"$venv/bin/python" -m pip install --quiet faiss-cpu || echo "setup.sh: no faiss-cpu wheel here: the search peers will be left out" >&2
"$venv/bin/python" -m pip install --quiet 'pytabkit[models]' || echo "setup.sh: no pytabkit here: RealMLP will be left out" >&2
"$venv/bin/python" - <<'EOF'
import importlib.metadata as m
for name in ("numpy", "torch", "pandas", "scikit-learn", "xgboost", "lightgbm", "catboost", "optuna", "tabm", "pytabkit", "safetensors", "faiss-cpu"):
    try:
        print(f"{name} {m.version(name)}")
    except m.PackageNotFoundError:
        print(f"{name} missing")
EOF
