#!/bin/sh
# The frequency scale of --arch tabr: the one with the better validation score is taken and written down; a configuration that names one is left alone; a run that was killed and resumed, also while it
# chooses, leaves the bytes of one that was left alone; tuning begins with the model that training gives.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"

# train DIR OPTIONS…
train() {
    to=$1
    shift
    "$weft" tabular train table.csv --target y --arch tabr --out "$to" --config small.json --context-size 8 --epochs 20 --threads 1 \
        "$@" >out 2>err
}

# taken DIR: the scale in its config.json
taken() {
    sed -n 's/.*"frequency_scale": \([0-9.]*\).*/\1/p' "$1/config.json"
}

# steps N: a table whose target goes up and down N times over the range of a
steps() {
    awk -v n="$1" 'BEGIN {
        x = 5
        print "a,b,y"
        for (i = 0; i < 500; i++) {
            x = (x * 16807) % 2147483647; a = x / 2147483647
            x = (x * 16807) % 2147483647; b = x / 2147483647
            printf "%.5f,%.5f,%d\n", a, b, 10 * (int(n * a) % 2)
        }
    }'
}

# better: the scale with the smaller RMSE in the JSON of out
better() {
    sed 's/.*"frequency_scales": \[{"frequency_scale": \([0-9.]*\), "score": \([0-9.]*\)}, {"frequency_scale": \([0-9.]*\), "score": \([0-9.]*\)}\].*/\1 \2 \3 \4/' out |
        awk '{ print $2 <= $4 ? $1 : $3 }'
}

echo '{"d_main": 32, "context_dropout": 0.1, "dropout0": 0.1, "lr": 0.003, "batch_size": 32}' >small.json
for n in 4 8; do
    rm -rf alone
    steps $n >table.csv
    train alone --task regression --json || wrong "train: $(cat err)"
    { [ "$(taken alone)" = "$(better)" ] && [ -n "$(better)" ]; } || wrong "$n steps: took the scale $(taken alone) of $(cut -c 1-200 out)"
done
[ ! -e alone/scales ] || wrong "the trainings with each scale are left behind"
grep -q 'Frequency scale' alone/report.html || wrong "report.html does not tell how the scale was chosen"
train team --task regression --ensemble 2 || wrong "an ensemble: $(cat err)"
[ "$(taken team)" = "$(taken alone)" ] || wrong "an ensemble took the scale $(taken team), its first member alone $(taken alone)"

echo '{"d_main": 32, "lr": 0.003, "num_embeddings": {"type": "PLREmbeddings", "n_frequencies": 16, "frequency_scale": 0.5, "d_embedding": 8, "lite": true}}' >named.json
"$weft" tabular train table.csv --target y --task regression --arch tabr --out named --config named.json --context-size 8 --epochs 1 --threads 1 --json >out 2>err ||
    wrong "a named scale: $(cat err)"
grep -q frequency_scales out && wrong "a scale that --config names is chosen nevertheless"
[ "$(taken named)" = 0.5 ] || wrong "--config names the scale 0.5, taken: $(taken named)"

kills=0
for moment in 'scales/0/metrics.jsonl 3' 'scales/0/metrics.jsonl 11' 'scales/1/metrics.jsonl 5' 'metrics.jsonl 2' 'metrics.jsonl 9'; do
    file=${moment% *}
    "$weft" tabular train table.csv --target y --task regression --arch tabr --out run --config small.json --context-size 8 --epochs 20 --threads 1 \
        --quiet >out 2>err &
    job=$!
    while kill -0 $job 2>/dev/null && [ "$({ wc -l <"run/$file"; } 2>/dev/null || echo 0)" -lt "${moment#* }" ]; do
        sleep 0.005
    done
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    if ! grep -q '"status": "finished"' run/run.json 2>/dev/null; then
        kills=$((kills + 1))
        train run --task regression && wrong "$moment: an unfinished run is begun anew without --force"
        grep -q -e '--resume' err || wrong "$moment: $(cat err)"
        train run --task regression --lr 0.001 --resume && wrong "$moment: a run is resumed with another rate"
        train run --task regression --resume || wrong "$moment: resume: $(cat err)"
    fi
    for file in model.safetensors metrics.jsonl config.json; do
        cmp -s alone/$file run/$file || wrong "killed at $moment: other bytes in $file"
    done
    [ ! -e run/scales ] || wrong "killed at $moment: left $(ls run/scales)"
    rm -rf run
done
[ $kills -gt 2 ] || wrong "only $kills runs were killed in time"
train alone --task regression --resume && wrong "a finished run is resumed"
grep -q 'is finished' err || wrong "a finished run is resumed: $(cat err)"

# ---- tuning begins with the model that training gives, and does not stop it early
# tune DIR OPTIONS…
tune() {
    to=$1
    shift
    "$weft" tabular tune waves.csv --target y --task regression --arch tabr --out "$to" --config small.json --context-size 8 --epochs 6 --prune --threads 1 \
        "$@" >out 2>err
}

# same DIR WHAT: the trials, and the model that is kept, are those of the search that was left alone
same() {
    sed 's/, "seconds": [^}]*//' tuned/journal.jsonl >mine
    sed 's/, "seconds": [^}]*//' "$1/journal.jsonl" | cmp -s - mine || wrong "$2: other trials"
    cmp -s tuned/model.safetensors "$1/model.safetensors" || wrong "$2: another model"
    [ ! -e "$1/scales" ] || wrong "$2: left $(ls "$1/scales")"
}

awk 'BEGIN { x = 3; print "a,b,y"; for (i = 0; i < 300; i++) { x = (x * 16807) % 2147483647; a = x / 2147483647; x = (x * 16807) % 2147483647; b = x / 2147483647
    print a "," b "," sin(25 * a) + b } }' >waves.csv
"$weft" tabular train waves.csv --target y --task regression --arch tabr --out first --config small.json --context-size 8 --epochs 6 --threads 1 --json >out 2>err ||
    wrong "train: $(cat err)"
sed 's/.*\("frequency_scales": [^]]*\).*/\1/' out >chosen
tune one --trials 1 --json || wrong "tune --trials 1: $(cat err)"
sed 's/.*\("frequency_scales": [^]]*\).*/\1/' out | cmp -s - chosen || wrong "tune chooses otherwise than train: $(cut -c 1-300 out)"
cmp -s first/model.safetensors one/model.safetensors || wrong "the first trial is not the model that train gives"
cmp -s first/config.json one/config.json || wrong "the first trial has other settings than train"
tune tuned --trials 5 --quiet || wrong "tune: $(cat err)"
[ "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "frequency_scale") c = i } NR == 2 { print $c, $2 }' tuned/trials.csv)" = "$(taken first) complete" ] ||
    wrong "tuning begins with $(cut -c 1-300 tuned/trials.csv)"
grep -q pruned tuned/trials.csv || wrong "no trial was stopped: $(cut -c 1-300 tuned/trials.csv)"
kills=0
for moment in scales/0/metrics.jsonl scales/1/metrics.jsonl journal.jsonl; do
    "$weft" tabular tune waves.csv --target y --task regression --arch tabr --out run --config small.json --context-size 8 --epochs 6 --prune --threads 1 --trials 5 \
        --quiet >out 2>err &
    job=$!
    while kill -0 $job 2>/dev/null && [ ! -s run/$moment ]; do
        sleep 0.005
    done
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    if [ ! -e run/report.html ]; then
        kills=$((kills + 1))
        tune run --trials 5 && wrong "$moment: a search is begun where one is, without --force"
        grep -q -e '--resume' err || wrong "$moment: $(cat err)"
        tune run --trials 5 --quiet --resume || wrong "$moment: resume: $(cat err)"
    fi
    same run "killed at $moment, resumed"
    rm -rf run
done
[ $kills -gt 1 ] || wrong "only $kills searches were killed in time"
"$weft" tabular tune waves.csv --target y --task regression --arch tabr --out run --config small.json --context-size 8 --epochs 6 --prune --threads 1 --trials 5 --quiet >out 2>err &
job=$!
while kill -0 $job 2>/dev/null && [ ! -e run/scales ]; do
    sleep 0.005
done
"$weft" tabular tune waves.csv --target y --task regression --arch tabr --out run --config small.json --context-size 8 --epochs 6 --prune --threads 1 --trials 5 --quiet --resume \
    >out2 2>err2 || wrong "joined while the scale is chosen: $(cat err2)"
wait $job || wrong "joined while the scale is chosen: $(cat err)"
grep -c '"end"' run/journal.jsonl | grep -qx 5 || wrong "joined while the scale is chosen: $(grep -c '"end"' run/journal.jsonl) trials"
grep '"trial": 0, "begin"' tuned/journal.jsonl >begin
grep '"trial": 0, "begin"' run/journal.jsonl | cmp -s - begin || wrong "joined while the scale is chosen: begins with $(sed -n 2p run/journal.jsonl)"
exit $bad
