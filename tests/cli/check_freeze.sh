#!/bin/sh
# Context freeze: from its epoch on the run is another one, before it the same; a run that was killed after it and resumed
# leaves the bytes of one that was left alone.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"

# train DIR OPTIONS…
train() {
    to=$1
    shift
    "$weft" tabular train table.csv --target y --out "$to" --config small.json --context-size 8 --patience 40 --epochs 30 --threads 1 \
        --quiet "$@" >out 2>err
}

small_model >small.json
make_table regression 260 4 >table.csv
train never || wrong "train: $(cat err)"
train third --context-freeze 3 || wrong "train --context-freeze: $(cat err)"
[ "$(head -3 never/metrics.jsonl | sed 's/"seconds[^,}]*//')" = "$(head -3 third/metrics.jsonl | sed 's/"seconds[^,}]*//')" ] ||
    wrong "the epochs before the freeze differ"
cmp -s never/model.safetensors third/model.safetensors && wrong "freezing changes nothing"
kills=0
for line in 2 4 8 16; do
    "$weft" tabular train table.csv --target y --out run --config small.json --context-size 8 --patience 40 --epochs 30 --threads 1 \
        --quiet --context-freeze 3 >out 2>err &
    job=$!
    while kill -0 $job 2>/dev/null && [ "$({ wc -l <run/metrics.jsonl; } 2>/dev/null || echo 0)" -lt $line ]; do
        sleep 0.005
    done
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    if ! grep -q '"status": "finished"' run/run.json; then
        kills=$((kills + 1))
        train run --context-freeze 5 --resume && wrong "a run is resumed with another freeze"
        train run --context-freeze 3 --resume || wrong "resume: $(cat err)"
    fi
    cmp -s third/model.safetensors run/model.safetensors || wrong "killed after $line epochs: other bytes"
    rm -rf run
done
[ $kills -gt 0 ] || wrong "no run was killed in time"
train mlp --arch mlp --context-freeze 1 && wrong "an MLP has contexts to freeze"
grep -q MLP err || wrong "an MLP with --context-freeze: $(cat err)"
exit $bad
