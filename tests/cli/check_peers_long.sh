#!/bin/sh
# Random tiny models of every family beside Hugging Face transformers, keys that a config.json leaves out, and texts classified and
# embedded: where a Python with
# transformers is there (WEFT_PEERS_PYTHON, or .venv of bench/peers/setup.sh).
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
python=${WEFT_PEERS_PYTHON:-$source/.venv/bin/python}
"$python" -c 'import transformers, peft' 2>/dev/null || {
    echo "no Python with transformers and peft at $python (set WEFT_PEERS_PYTHON): skipped"
    exit 77
}
seed=$(date +%s)
"$python" "$source/bench/peers/transformers_lm.py" "$weft" --rounds 6 --seed "$seed" >out 2>&1 || wrong "seed $seed: $(tail -5 out)"
tail -1 out
"$python" "$source/bench/peers/transformers_defaults.py" "$weft" >out 2>&1 || wrong "$(tail -5 out)"
"$python" "$source/bench/peers/transformers_texts.py" "$weft" --rounds 2 --seed "$seed" >out 2>&1 || wrong "texts, seed $seed: $(tail -5 out)"
exit $bad
