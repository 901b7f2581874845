#!/bin/sh
# Ensembles from a shell: the folder predicts, is measured, counted and run; a run that was killed or interrupted and resumed leaves
# the bytes of one that was left alone; what does not fit is refused.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"

train() {
    started "$@"
    wait $job
}

started() {
    to=$1
    shift
    "$weft" tabular train table.csv --target y --out "$to" --config small.json --context-size 8 --epochs 8 --ensemble 3 --seed 5 \
        --threads 1 --quiet "$@" >out 2>err &
    job=$!
}

same() {
    for file in model.safetensors metrics.jsonl config.json schema.json candidates.safetensors; do
        cmp -s "alone/$file" "$1/$file" || wrong "$2: $file is not that of the run left alone"
    done
    [ ! -e "$1/members" ] || wrong "$2: left $(ls -A "$1/members")"
    grep -q '"status": "finished"' "$1/run.json" || wrong "$2: run.json does not say that it is finished"
}

refused() {
    [ "$3" -eq 1 ] || wrong "$2: exit status $3"
    { [ "$(wc -l <err)" -eq 1 ] && grep -q "^weft: .*$1" err; } || wrong "$2: does not say \"$1\" in one line: $(cat err)"
}

small_model >small.json
make_table multiclass 260 4 >table.csv
begin=$(date +%s%N)
train alone --json || wrong "train: $(cat err)"
took=$((($(date +%s%N) - begin) / 1000000))
grep -q '"members": 3,' out || wrong "the JSON result does not say how many members: $(cut -c 1-200 out)"
same alone "left alone"
[ "$(wc -l <alone/metrics.jsonl)" -eq 24 ] || wrong "not 24 lines of metrics"
grep -q '"members": 3' alone/config.json || wrong "config.json does not say how many members"
train two --threads 2 || wrong "two threads: $(cat err)"
same two "two threads"

# ---- killed
kills=0
moment=0
for part in 80 150 250 350 450 550 650 750 850 950; do
    [ $kills -lt 5 ] || break
    moment=$((moment + 1))
    started killed$moment
    sleep "$(awk -v ms=$took -v part=$part 'BEGIN { printf "%.3f", ms * part / 1e6 }')"
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    if grep -q '"status": "finished"' killed$moment/run.json 2>/dev/null; then
        continue
    fi
    kills=$((kills + 1))
    resume=--resume
    [ -e killed$moment/run.json ] || resume=
    if [ -n "$resume" ] && [ -e killed$moment/members ]; then
        train killed$moment
        refused "unfinished.*--resume" "begun over an unfinished ensemble" $?
        train killed$moment --resume --lr 0.5
        refused "lr" "resumed with another learning rate" $?
    fi
    # shellcheck disable=SC2086
    train killed$moment $resume || wrong "killed at $part, resumed: $(cat err)"
    same killed$moment "killed at $part thousandths, resumed"
done
[ $kills -ge 2 ] || wrong "only $kills runs were killed before their end"

# ---- used
"$weft" tabular predict alone table.csv --out p.csv --neighbors 8 --threads 1 >out 2>err || wrong "predict: $(cat err)"
[ "$(wc -l <p.csv)" -eq 261 ] || wrong "predict: $(wc -l <p.csv) lines"
"$weft" tabular eval alone table.csv --json --threads 1 >out 2>err || wrong "eval: $(cat err)"
grep -q '"accuracy": 0\.[5-9]' out || wrong "eval: $(cut -c 1-200 out)"
"$weft" info alone --json >out 2>err || wrong "info: $(cat err)"
grep -q 'members.2.head.2.weight' out || wrong "info: does not list the members"
sed 's/"members": 3/"members": 4/' alone/config.json >two/config.json
"$weft" tabular eval two table.csv >out 2>err
refused 'members.3.*missing' "a folder that lacks a member" $?
# The config.json of an ensemble configures another one, also where one is tuned.
cp alone/config.json team.json
"$weft" tabular train table.csv --target y --out again --config team.json --epochs 1 --json >out 2>err || wrong "--config of an ensemble: $(cat err)"
grep -q '"members": 3' out || wrong "--config of an ensemble: $(cut -c 1-200 out)"
"$weft" tabular tune table.csv --target y --out tuned --config team.json --epochs 1 --trials 1 --json >out 2>err || wrong "tune --config of an ensemble: $(cat err)"
grep -q '"members": 3' tuned/config.json || wrong "tune --config of an ensemble: $(cut -c 1-200 out)"
"$weft" tabular train table.csv --target y --out none --ensemble 0 >out 2>err
[ $? -eq 2 ] || wrong "--ensemble 0 is not wrong usage: $(cat err)"
exit $bad
