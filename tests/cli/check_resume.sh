#!/bin/sh
# A training run that was killed, interrupted or starved of disk, and resumed, leaves the bytes of one that was left alone; the
# number of threads does not show in them either; the seed does.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"

# train DIR OPTIONS…: the run that all of this is about
train() {
    to=$1
    shift
    "$weft" tabular train table.csv --target y --out "$to" --config small.json --context-size 8 --epochs 25 --patience 30 --seed 5 \
        --threads 1 --quiet "$@" >out 2>err
}

# same DIR WHAT: the files of DIR are those of the run that was left alone
same() {
    for file in model.safetensors metrics.jsonl config.json schema.json candidates.safetensors; do
        cmp -s "alone/$file" "$1/$file" || wrong "$2: $file is not that of the run left alone"
    done
    [ -z "$(find "$1" -name 'trainer*' -o -name '*tmp*')" ] || wrong "$2: left $(ls -A "$1")"
    grep -q '"status": "finished"' "$1/run.json" || wrong "$2: run.json does not say that it is finished"
}

# refused WORD WHAT STATUS: one line on standard error that says WORD, and status 1
refused() {
    [ "$3" -eq 1 ] || wrong "$2: exit status $3"
    { [ "$(wc -l <err)" -eq 1 ] && grep -q "^weft: .*$1" err; } || wrong "$2: does not say \"$1\" in one line: $(cat err)"
}

# started DIR OPTIONS…: train in the background; its process is $job
started() {
    to=$1
    shift
    # not by the function: the signal is for the program, not for a shell around it
    "$weft" tabular train table.csv --target y --out "$to" --config small.json --context-size 8 --epochs 25 --patience 30 --seed 5 \
        --threads 1 --quiet "$@" >out 2>err &
    job=$!
}

# lines DIR N: waits until metrics.jsonl has N lines or the run has ended
lines() {
    while kill -0 "$job" 2>/dev/null && [ "$({ wc -l <"$1/metrics.jsonl"; } 2>/dev/null || echo 0)" -lt "$2" ]; do
        sleep 0.01
    done
}

small_model >small.json
make_table binary 800 4 >table.csv
begin=$(date +%s%N)
train alone || wrong "train: $(cat err)"
took=$((($(date +%s%N) - begin) / 1000000))
[ "$(wc -l <alone/metrics.jsonl)" -eq 25 ] || wrong "not 25 lines of metrics"
train two --threads 2 || wrong "two threads: $(cat err)"
same two "two threads"
train other --seed 6 || wrong "seed 6: $(cat err)"
cmp -s alone/model.safetensors other/model.safetensors && wrong "another seed gives the same model"

# ---- killed: after so many thousandths of the time that the whole run took, or when so many epochs stand in metrics.jsonl
kills=0
moment=0
for when in t40 t150 l1 l2 t300 l5 l9 t500 l14 t650 l20 l24 t800 t350 l3 l7 l17; do
    [ $kills -lt 10 ] || break
    moment=$((moment + 1))
    run=killed$moment
    started $run
    case $when in
        t*) sleep "$(awk -v ms=$took -v part="${when#t}" 'BEGIN { printf "%.3f", ms * part / 1e6 }')" ;;
        l*) lines $run "${when#l}" ;;
    esac
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    if grep -q '"status": "finished"' $run/run.json 2>/dev/null; then
        rm -r $run
        continue
    fi
    kills=$((kills + 1))
    resume=--resume
    [ -e $run/run.json ] || resume=
    # shellcheck disable=SC2086
    train $run $resume || wrong "killed at $when, resumed: $(cat err)"
    same $run "killed at $when, resumed"
    rm -rf $run
done
[ $kills -ge 8 ] || wrong "only $kills of the runs were killed before their end"

# Killed while the model is being written.
train short --epochs 2 || wrong "train: $(cat err)"
at=0
while [ $at -lt 6 ]; do
    at=$((at + 1))
    started late --epochs 2
    until=$([ $((at % 2)) -eq 0 ] && echo late/config.json || echo late/.new)
    while [ ! -e "$until" ] && kill -0 $job 2>/dev/null; do
        :
    done
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    if ! grep -q '"status": "finished"' late/run.json; then
        train late --epochs 2 --resume || wrong "killed while the model is being written, resumed: $(cat err)"
        cmp -s late/model.safetensors short/model.safetensors || wrong "killed while the model is being written: another model"
        [ ! -e late/.new ] || wrong "killed while the model is being written: left $(ls -A late late/.new)"
    fi
    rm -r late
done

# Killed between the model and its evaluation: what was not told yet is.
for more in "" "--ensemble 2" "--arch tabr"; do
    # shellcheck disable=SC2086
    train told --epochs 2 $more --json || wrong "train: $(cat err)"
    sed 's/"seconds": [^,]*//' out >first
    mv told untold
    rm untold/report.html untold/split.csv
    mv untold/calibration.safetensors first_calibration
    # shellcheck disable=SC2086
    train untold --epochs 2 $more --resume --context-size 9 && wrong "$more: evaluated with another context size"
    # shellcheck disable=SC2086
    train untold --epochs 2 $more --resume --json || wrong "$more: killed before it was evaluated: $(cat err)"
    sed 's/"seconds": [^,]*//' out | sed 's/^{"frequency_scales": [^]]*], /{/' >second
    sed 's/^{"frequency_scales": [^]]*], /{/' first | cmp -s - second || wrong "$more: killed before it was evaluated: tells $(cut -c 1-300 second)"
    cmp -s first_calibration untold/calibration.safetensors || wrong "$more: killed before it was evaluated: another calibration"
    [ -s untold/report.html ] && [ -s untold/split.csv ] || wrong "$more: killed before it was evaluated: left $(ls untold)"
    # shellcheck disable=SC2086
    train untold --epochs 2 $more --resume
    refused "finished" "$more: a run that was told" $?
    rm -r untold
done

# Killed again and again, in other numbers of threads.
started often --threads 2
lines often 4
kill -9 $job 2>/dev/null
wait $job 2>/dev/null
for at in 9 15 21; do
    started often --resume --threads $((1 + at % 2))
    lines often $at
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
done
if ! grep -q '"status": "finished"' often/run.json; then
    train often --resume || wrong "killed four times, resumed: $(cat err)"
fi
same often "killed four times, resumed"

# ---- interrupted
interrupts=0
started stopped
for at in 2 6 11 18; do
    lines stopped $at
    kill -INT $job 2>/dev/null
    wait $job
    status=$?
    grep -q '"status": "finished"' stopped/run.json && break
    interrupts=$((interrupts + 1))
    refused "--resume" "interrupted after $at epochs" $status
    [ -e stopped/trainer.json ] || wrong "interrupted after $at epochs: no checkpoint"
    if [ $at -eq 2 ]; then
        cp -r stopped again
        cp -r stopped changed
        find stopped -type f -exec cksum {} + >before
        train stopped
        refused "unfinished.*--resume" "begun over an unfinished run" $?
        train stopped --resume --seed 6
        refused "seed 5" "resumed with another seed" $?
        for other in "--preprocess standard" "--test-share 0.3" "--val-share 0.21"; do
            # shellcheck disable=SC2086
            train stopped --resume $other
            refused "beg[au]n with" "resumed with $other" $?
        done
        find stopped -type f ! -name run.json -exec cksum {} + >after
        grep -v run.json before | cmp -s - after || wrong "refused, but the unfinished run has changed"
    fi
    started stopped --resume
done
wait $job
same stopped "interrupted $interrupts times, resumed"
[ $interrupts -ge 2 ] || wrong "only $interrupts interrupts came before the end"
train again --force || wrong "--force over an unfinished run: $(cat err)"
same again "--force over an unfinished run"
cp table.csv kept.csv
sed '5s/on/off/; 6s/on/off/; 7s/off/on/; 8s/off/on/' kept.csv >table.csv
train changed --resume
refused "table.csv.*changed" "resumed with other data" $?
cp kept.csv table.csv
train stopped --resume
refused "finished" "a finished run resumed" $?

# Two at once in one folder.
started busy
lines busy 1
first=$job
train busy --resume
refused "another process" "two runs in one folder" $?
wait $first || wrong "the first of two runs in one folder: $(cat err)"
same busy "the first of two runs in one folder"

# ---- no room for a checkpoint
sed 's/"d_main": 12/"d_main": 64/' small.json >large.json
mv large.json small.json
rm -r alone
train alone || wrong "train: $(cat err)"
(
    ulimit -f 100
    train starved
)
refused "File too large" "a checkpoint beyond the limit" $?
[ -z "$(find starved -name 'trainer*' -o -name '*tmp*' -o -name model.safetensors)" ] || wrong "a checkpoint beyond the limit: left $(ls -A starved)"
train starved --resume || wrong "a checkpoint beyond the limit, resumed: $(cat err)"
same starved "a checkpoint beyond the limit, resumed"

# No room for the model itself: its training rows take more than any checkpoint. The model that was there stays whole.
plain_table 6000 >long.csv
echo '{"d_main": 4}' >tiny.json
cp -r alone kept
retrain() {
    "$weft" tabular train long.csv --target y --out "$1" --config tiny.json --context-size 8 --epochs 1 --batch-size 1024 \
        --threads 1 --quiet "$2" >out 2>err
}
(
    ulimit -f 100
    retrain kept --force
)
refused "candidates.safetensors.*File too large" "a model beyond the limit" $?
for file in model.safetensors config.json schema.json candidates.safetensors; do
    cmp -s alone/$file kept/$file || wrong "a model beyond the limit: $file of the old model has changed"
done
[ ! -e kept/.new ] || wrong "a model beyond the limit: left $(ls -A kept/.new)"
retrain kept --resume || wrong "a model beyond the limit, resumed: $(cat err)"
retrain fresh --force || wrong "retrain: $(cat err)"
cmp -s kept/model.safetensors fresh/model.safetensors || wrong "a model beyond the limit, resumed: another model"

if unshare -rm true 2>err; then
    cat >full.sh <<'FULL'
weft=$1
mkdir full && mount -t tmpfs -o size=800k none full || exit 99
run() {
    "$weft" tabular train table.csv --target y --out full/run --config small.json --context-size 8 --epochs 25 --patience 30 --seed 5 --threads 1 --quiet "$@"
}
run 2>err
echo $? >status
[ -e full/run/trainer.json ] || exit 98
mount -o remount,size=20m full || exit 99
run --resume || exit 97
cp -r full/run full_run
FULL
    unshare -rm sh full.sh "$weft" >said 2>&1
    case $? in
        0)
            refused "No space left" "a checkpoint on a full disk" "$(cat status)"
            same full_run "a checkpoint on a full disk, resumed"
            ;;
        99) echo "not tried: a small tmpfs may not be mounted here" ;;
        *) wrong "a full disk: $(cat said err)" ;;
    esac
else
    echo "not tried: a small tmpfs may not be mounted here"
fi
exit $bad
