#!/bin/sh
# Tuning from a shell: trials, what is kept of them, searches that were killed, joined by other processes, or whose journal ends in
# half a line; what does not fit is refused.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"

# tune DIR OPTIONS…: the search that all of this is about
tune() {
    started "$@"
    wait $job
}

started() {
    to=$1
    shift
    "$weft" tabular tune table.csv --target y --out "$to" --config fixed.json --context-size 8 --epochs 3 --seed 5 --threads 1 --quiet \
        "$@" >out 2>err &
    job=$!
}

# trials FOLDER: the journal without what a clock wrote
trials() {
    sed 's/, "seconds": [^}]*//' "$1/journal.jsonl"
}

# same DIR WHAT: trials and model are those of the search that was left alone
same() {
    trials "$1" >theirs
    cmp -s mine theirs || wrong "$2: other trials"
    for file in model.safetensors config.json schema.json; do
        cmp -s "alone/$file" "$1/$file" || wrong "$2: $file is not that of the search left alone"
    done
    [ "$(find "$1/trials" -name model.safetensors | wc -l)" -eq 1 ] || wrong "$2: weights of $(find "$1/trials" -name model.safetensors)"
}

refused() {
    [ "$3" -eq "${4:-1}" ] || wrong "$2: exit status $3"
    { [ "$(wc -l <err)" -eq 1 ] && grep -q "^weft: .*$1" err; } || wrong "$2: does not say \"$1\" in one line: $(cat err)"
}

echo '{"d_main": 12, "d_multiplier": 1.5, "batch_size": 64}' >fixed.json
make_table regression 200 4 >table.csv
begin=$(date +%s%N)
tune alone --trials 14 --json || wrong "tune: $(cat err)"
took=$((($(date +%s%N) - begin) / 1000000))
for key in task metric trials best_trial best_score best_params seconds train val test; do
    grep -q "\"$key\": " out || wrong "no key $key: $(cut -c 1-300 out)"
done
grep -q '"trials": 14, "complete": 14, "pruned": 0, "failed": 0' out || wrong "not 14 trials: $(cut -c 1-300 out)"
grep -q '"d_main": 12' alone/config.json || wrong "a setting that --config fixes was changed"
grep -q 'd_main' alone/journal.jsonl && head -n 2 alone/journal.jsonl | tail -n 1 | grep -q d_main && wrong "a fixed setting was searched"
[ "$(wc -l <alone/trials.csv)" -eq 15 ] || wrong "trials.csv: $(wc -l <alone/trials.csv) lines"
[ -s alone/report.html ] || wrong "no report"
trials alone >mine
same alone "left alone"
# best_params are the settings by their names, as the best line of trials.csv has them.
rate=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "weight_decay") c = i } NR > 1 && $2 == "complete" && (!n++ || $3 < b) { b = $3; w = $c } END { print w }' alone/trials.csv)
sed 's/.*"best_params": {\([^}]*\)}.*/\1/' out | grep -q "\"weight_decay\": $rate\$" || wrong "best_params have not weight_decay $rate: $(cut -c 1-400 out)"
grep -q '"?' out && wrong "best_params hold a question of the search: $(cut -c 1-400 out)"
# The best of trials.csv is the model's own validation score.
best=$(awk -F, 'NR > 1 && $2 == "complete" && (!n++ || $3 < b) { b = $3 } END { print b }' alone/trials.csv)
grep -q "\"best_score\": $best" out || wrong "best_score is not $best: $(cut -c 1-300 out)"
grep -q "\"val\": {\"rows\": [0-9]*, \"rmse\": $best" out || wrong "the model's validation score is not $best"
"$weft" tabular predict alone table.csv --out p.csv >out 2>err || wrong "predict: $(cat err)"

# ---- killed at any moment, and resumed
kills=0
moment=0
for part in 60 150 250 350 450 550 650 750 850 930; do
    [ $kills -lt 5 ] || break
    moment=$((moment + 1))
    started killed$moment --trials 14
    sleep "$(awk -v ms=$took -v part=$part 'BEGIN { printf "%.3f", ms * part / 1e6 }')"
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    [ ! -e killed$moment/report.html ] || continue
    kills=$((kills + 1))
    resume=--resume
    [ -e killed$moment/journal.jsonl ] || resume=
    # shellcheck disable=SC2086
    tune killed$moment --trials 14 $resume || wrong "killed at $part, resumed: $(cat err)"
    same killed$moment "killed at $part thousandths, resumed"
done
[ $kills -ge 3 ] || wrong "only $kills searches were killed before their end"

# Interrupted: says how to go on.
started stopped --trials 14
while [ "$(grep -c '"end"' stopped/journal.jsonl 2>/dev/null || echo 0)" -lt 3 ] 2>/dev/null; do sleep 0.02; done
kill -INT $job 2>/dev/null
wait $job
status=$?
if ! [ -e stopped/report.html ]; then
    refused "stopped.*--resume" "interrupted" $status
    tune stopped --trials 14
    refused "search.*--resume" "begun where a search is" $?
    tune stopped --trials 14 --resume --patience 3
    refused "patience 16, not 3" "resumed with another patience" $?
    tune stopped --trials 14 --resume --preprocess standard
    refused "begun with other rows" "resumed with another scaling" $?
    tune stopped --trials 14 --resume --test-share 0.25
    refused "begun with other rows" "resumed with other parts" $?
    printf '{"trial": 99, "be' >>stopped/journal.jsonl
    tune stopped --trials 14 --resume || wrong "interrupted, resumed after half a line: $(cat err)"
    same stopped "interrupted, resumed after half a line"
fi

# ---- more trials, and a journal that was meddled with
cp -r alone more
lost=$(ls alone/trials | head -1)
lost=$(((lost + 1) % 14)) # as a process leaves it that is killed between a trial's last line and its tidying
mkdir -p more/trials/$lost
cp "$(find alone/trials -name model.safetensors)" more/trials/$lost/
tune more --trials 16 --resume || wrong "two more trials: $(cat err)"
[ "$(find more/trials -name model.safetensors | wc -l)" -eq 1 ] || wrong "weights left by a killed process stay: $(find more/trials)"
trials more | head -n "$(wc -l <mine)" | cmp -s - mine || wrong "two more trials: the first are others"
grep -c '"end"' more/journal.jsonl | grep -qx 16 || wrong "two more trials: $(grep -c '"end"' more/journal.jsonl)"
sed -i '3s/complete/done/' more/journal.jsonl
tune more --trials 17 --resume
refused 'journal.jsonl line 3.*done' "a journal with an unknown word" $?

# ---- several processes, and pruning
tune jobs --trials 12 --jobs 3 --prune || wrong "three jobs: $(cat err)"
grep -c '"end"' jobs/journal.jsonl | grep -qx 12 || wrong "three jobs: $(grep -c '"end"' jobs/journal.jsonl) trials"
for k in 0 1 2 3 4 5 6 7 8 9 10 11; do
    [ "$(grep -c "\"trial\": $k, \"begin\"" jobs/journal.jsonl)" -eq 1 ] || wrong "three jobs: trial $k began not once"
    [ "$(grep -c "\"trial\": $k, \"end\"" jobs/journal.jsonl)" -eq 1 ] || wrong "three jobs: trial $k ended not once"
done
[ -s jobs/model.safetensors ] || wrong "three jobs: no model"
started joined --trials 12
first=$job
while [ ! -e joined/journal.jsonl ]; do sleep 0.01; done
"$weft" tabular tune table.csv --target y --out joined --config fixed.json --context-size 8 --epochs 3 --seed 5 --threads 1 --quiet \
    --trials 12 --resume >out2 2>err2 || wrong "a second process: $(cat err2)"
wait $first || wrong "joined by a second process: $(cat err)"
grep -c '"end"' joined/journal.jsonl | grep -qx 12 || wrong "two processes: $(grep -c '"end"' joined/journal.jsonl) trials"
started orphan --trials 12 --jobs 2
while [ "$(grep -c '"begin"' orphan/journal.jsonl 2>/dev/null || echo 0)" -lt 4 ] 2>/dev/null; do sleep 0.02; done
kill -9 $job 2>/dev/null
wait $job 2>/dev/null
tune orphan --trials 12 --jobs 2 --resume || wrong "a killed parent of two jobs, resumed: $(cat err)"
grep -c '"end"' orphan/journal.jsonl | grep -qx 12 || wrong "a killed parent of two jobs: $(grep -c '"end"' orphan/journal.jsonl) trials"

# ---- an ensemble of the best; other models; time
tune team --trials 2 --ensemble 3 --json || wrong "an ensemble of the best: $(cat err)"
grep -q '"members": 3' team/config.json || wrong "an ensemble of the best: config.json has no 3 members"
[ ! -e team/trials/0/ensemble ] && [ ! -e team/trials/1/ensemble ] || wrong "an ensemble of the best: left its folder"
rm fixed.json
echo '{"d_layer": 16, "d_embedding": 4, "n_frequencies": 4}' >fixed.json
sed -i 's/.*/{"d_layer": 16, "n_blocks": 2}/' fixed.json
tune plain --arch mlp --trials 3 --time 0.001 --json || wrong "an MLP: $(cat err)"
grep -q '"trials": 1,' out || wrong "an MLP with no time: $(cut -c 1-100 out)"
tune embedded --arch mlp-plr --trials 2 || wrong "an MLP with embeddings: $(cat err)"
grep -q '"n_frequencies": ' embedded/journal.jsonl || wrong "an MLP with embeddings: frequencies are not searched"

# ---- refused
sed '1s/y$/z/' table.csv >other.csv
sed 's/, "seconds": [^}]*//' plain/journal.jsonl >before
"$weft" tabular tune other.csv --target y --out plain --config fixed.json --arch mlp --force >out 2>err
refused '"y"' "a table without the target" $?
sed 's/, "seconds": [^}]*//' plain/journal.jsonl | cmp -s - before || wrong "--force with a table that cannot be read has lost the search that was there"
tune none --context-size 500
refused "too few.*--context-size" "too large a context" $?
[ ! -e none ] || wrong "too large a context: left $(ls -A none)"
tune none --resume
refused "no search to resume" "a folder without a search" $?
tune none --trials 0
refused "trials" "no trials" $? 2
tune none --jobs 0
refused "jobs" "no jobs" $? 2
tune none --time 0
refused "time" "no time" $? 2
exit $bad
