#!/bin/sh
# Training, predicting and evaluating made-up tables of every task from a shell: the keys of the JSON results, the columns and
# sums of the predictions, the training rows behind them, and predictions that depend on a row and on nothing else.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"

# ran WORDS…: the command succeeds, in $threads threads; results in out, standard error in err
threads=1
ran() {
    "$weft" "$@" --threads $threads >out 2>err && return
    echo "weft $*: status $?, $(cat err)"
    exit 1
}

# has_keys WHAT KEY…: the JSON text on standard input has each key
has_keys() {
    what=$1
    shift
    cat >json
    for key in "$@"; do
        grep -q "\"$key\": " json || wrong "$what: no key $key: $(cut -c 1-300 json)"
    done
}

# part NAME: the object under a key of the JSON in out; it holds no object of its own
part() {
    sed -n "s/.*\"$1\": {\([^}]*\)}.*/\1/p" out
}

# Reads split.csv, flat.csv (the table, a line a row) and predictions; prints a line for each fault of the predictions.
cat >judge.awk <<'JUDGE'
function cells(line, to,   n, i, c, quoted, text) {
    n = 1
    text = ""
    quoted = 0
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (c == "\"" && quoted && substr(line, i + 1, 1) == "\"") {
            text = text c
            i++
        } else if (c == "\"")
            quoted = !quoted
        else if (c == "," && !quoted) {
            to[n++] = text
            text = ""
        } else
            text = text c
    }
    to[n] = text
    return n
}
FILENAME == "split.csv" { if (FNR > 1) train[FNR - 2] = $0; next }
FILENAME == "flat.csv" { if (FNR > 1) { n = cells($0, cell); label[FNR - 2] = cell[n] } next }
FNR == 1 {
    columns = cells($0, name)
    if ($0 != header)
        print "header is " $0 ", expected " header
    next
}
{
    lines++
    if (cells($0, cell) != columns) {
        print "line " FNR ": " $0
        exit
    }
    sum = 0
    top = -1
    classes = weights = 0
    for (k = 2; k <= columns; k++) {
        if (name[k] ~ /^p_/) {
            classes++
            sum += cell[k]
            if (cell[k] < 0 || cell[k] > 1)
                print "line " FNR ": " name[k] " is " cell[k]
            if (cell[k] + 0 > top) {
                top = cell[k] + 0
                best = substr(name[k], 3)
            }
        }
        if (name[k] ~ /_weight$/) {
            if (cell[k] > 1 || cell[k] < 0 || (weights && cell[k] + 0 > last))
                print "line " FNR ": weight " cell[k] " after " last
            last = cell[k] + 0
            weights += last
        }
        if (name[k] ~ /_distance$/ && !(cell[k] + 0 >= 0))
            print "line " FNR ": distance " cell[k]
        if (name[k] ~ /_row$/) {
            row = cell[k]
            if (row !~ /^[0-9]+$/ || train[row + 0] != "0")
                print "line " FNR ": neighbour " row " is no training row"
            else if (task == "regression" ? cell[k + 2] + 0 != label[row + 0] + 0 : cell[k + 2] != label[row + 0])
                print "line " FNR ": row " row " has the label " label[row + 0] ", not " cell[k + 2]
        }
    }
    if (classes && (sum < 0.99999 || sum > 1.00001))
        print "line " FNR ": probabilities sum to " sum
    if (classes && best != cell[1])
        print "line " FNR ": predicts " cell[1] ", the likeliest is " best
    if (weights > 1.00001)
        print "line " FNR ": weights sum to " weights
    if (task == "regression" && !(cell[1] + 0 > 80 && cell[1] + 0 < 120))
        print "line " FNR ": prediction " cell[1]
}
END {
    if (lines != rows)
        print lines + 0 " predictions of " rows " rows"
}
JUDGE

rows=250
small_model >model.json
awk -v rows=$rows 'BEGIN { print "split"; for (i = 0; i < rows; i++) print i % 5 < 3 ? 0 : i % 5 - 2 }' >split.csv
for task in regression binary multiclass; do
    make_table $task $rows 11 >table.csv
    case $task in
        regression) metrics="rmse mae r2" metric=rmse header=prediction ;;
        binary) metrics="accuracy auc logloss" metric=accuracy header=prediction,p_no,p_yes ;;
        multiclass) metrics="accuracy logloss" metric=accuracy header='prediction,p_high,p_low,"p_mid, or so"' ;;
    esac

    ran tabular train table.csv --target y --out $task --split split.csv --config model.json --context-size 8 --epochs 8 --json
    [ "$(wc -l <out)" -eq 1 ] || wrong "train $task: not one line of JSON"
    has_keys "train $task" task metric epochs seconds <out
    grep -q "\"task\": \"$task\"" out || wrong "train $task: its task is $(cut -c 1-80 out)"
    grep -q "\"metric\": \"$metric\"" out || wrong "train $task: its metric is not $metric"
    grep -q '"epochs": 8,' out || wrong "train $task: not 8 epochs: $(cut -c 1-200 out)"
    for name in train val test; do
        # shellcheck disable=SC2086
        part $name | has_keys "train $task, $name" $metrics
    done
    said=$(part test | sed 's/, "confusion.*//')
    kept="calibration.safetensors candidates.safetensors config.json metrics.jsonl model.safetensors report.html run.json schema.json split.csv"
    # shellcheck disable=SC2012
    [ "$(ls -A $task | sort | tr '\n' ' ')" = "$kept " ] || wrong "train $task left $(ls -A $task), expected $kept"
    [ "$(wc -l <$task/metrics.jsonl)" -eq 8 ] || wrong "train $task: metrics.jsonl has not 8 lines"

    # What eval says of the test part is what training said of it, to the last digit.
    ran tabular eval $task table.csv --split split.csv --part test --json
    # shellcheck disable=SC2086
    has_keys "eval $task" $metrics rows <out
    grep -q '"rows": 50' out || wrong "eval $task: not 50 rows"
    case $(cat out) in *"$said"*) ;; *) wrong "eval $task says $(cut -c 1-200 out), training said $said" ;; esac

    # The parts are kept, those that were given and those that were drawn.
    cmp -s split.csv $task/split.csv || wrong "train $task: its split.csv is not the one that was given"
    ran tabular train table.csv --target y --out drawn --config model.json --context-size 8 --epochs 2 --json
    said=$(part test | sed 's/, "confusion.*//')
    ran tabular eval drawn table.csv --split drawn/split.csv --part test --json
    case $(cat out) in *"$said"*) ;; *) wrong "eval --split drawn/split.csv of $task says $(cut -c 1-200 out), training said $said" ;; esac
    rm -r drawn

    # A training row does not look at itself when the training part is measured.
    ran tabular train table.csv --target y --out again --split split.csv --config model.json --context-size 8 --epochs 2 --json
    said=$(part train | sed 's/, "confusion.*//')
    ran tabular eval again table.csv --split split.csv --part train --json
    case $(cat out) in *"$said"*) ;; *) wrong "eval --part train of $task says $(cut -c 1-200 out), training said $said" ;; esac
    rm -r again

    # Predictions: columns, probabilities, and that the neighbours are training rows with their labels.
    for k in 1 2 3; do
        header=$header,neighbor_${k}_row,neighbor_${k}_weight,neighbor_${k}_label,neighbor_${k}_distance
    done
    awk '{ quotes += gsub(/"/, "\""); printf "%s%s", $0, quotes % 2 ? " " : "\n" }' table.csv >flat.csv
    ran tabular predict $task table.csv --out p.csv --neighbors 3 --json
    grep -q "\"rows\": $rows" out || wrong "predict $task: $(cat out)"
    [ ! -s err ] || wrong "predict $task: $(cat err)"
    awk -v rows=$rows -v task=$task -v header="$header" -f judge.awk split.csv flat.csv p.csv | head -5 >faults
    [ ! -s faults ] || wrong "predict $task: $(cat faults)"

    # The same in two threads; over the old file; with CRLF; the rows backwards.
    threads=2
    ran tabular predict $task table.csv --out again.csv --neighbors 3
    threads=1
    cmp -s p.csv again.csv || wrong "predict $task in two threads: other bytes"
    ran tabular predict $task table.csv --out again.csv --neighbors 3 --force
    cmp -s p.csv again.csv || wrong "predict $task --force: other bytes"
    rm again.csv
    ran tabular predict $task flat.csv --out p.csv --neighbors 3 --force
    sed 's/$/\r/' flat.csv >crlf.csv
    ran tabular predict $task crlf.csv --out again.csv --neighbors 3
    cmp -s p.csv again.csv || wrong "predict $task from CRLF: other bytes"
    gzip -c flat.csv >flat.csv.gz
    ran tabular predict $task flat.csv.gz --out again.csv --neighbors 3 --force
    cmp -s p.csv again.csv || wrong "predict $task from a file packed by gzip: other bytes"
    rm again.csv
    awk 'NR == 1 { print; next } { line[NR] = $0 } END { for (i = NR; i > 1; i--) print line[i] }' flat.csv >back.csv
    ran tabular predict $task back.csv --out again.csv --neighbors 3
    awk 'NR == 1 { print; next } { line[NR] = $0 } END { for (i = NR; i > 1; i--) print line[i] }' again.csv >forth.csv
    cmp -s p.csv forth.csv || wrong "predict $task: another order of the rows gives other predictions"
    rm again.csv

    # A colour that training did not have is no error, and said.
    sed '2s/red\|green\|blue\|NA/violet/' flat.csv >violet.csv
    ran tabular predict $task violet.csv --out again.csv
    grep -q '^weft: column "colour": 1 cell with a value that training did not have' err || wrong "unseen category: $(cat err)"
    [ "$(wc -l <again.csv)" -eq $((rows + 1)) ] || wrong "unseen category: not $rows predictions"
    rm again.csv p.csv

    # A model from config.json alone, and the whole folder, have the same cost.
    mkdir only
    cp $task/config.json only
    ran info only --json
    has_keys "info $task" parameters macs bytes <out
    mv out only.json
    ran info $task --json
    cmp -s only.json out || wrong "info $task: config.json alone says another thing than the folder"
    parameters=$(sed 's/.*"parameters": \([0-9]*\).*/\1/' out)
    bytes=$(sed 's/.*"bytes": \([0-9]*\).*/\1/' out)
    { [ "$bytes" -eq $((4 * parameters)) ] && [ "$parameters" -gt 500 ]; } || wrong "info $task: $parameters parameters, $bytes bytes"
    rm -r only
done

# Standard input and output in place of files; --json there would mix two things.
ran tabular predict multiclass table.csv --out p.csv
"$weft" tabular predict multiclass - --out - <table.csv >piped.csv 2>err || wrong "predict - --out -: $(cat err)"
cmp -s p.csv piped.csv || wrong "predict - --out -: $(head -2 piped.csv)"
cat table.csv | "$weft" tabular predict multiclass - --out piped.csv --force --json >out 2>err || wrong "predict -: $(cat err)"
cmp -s p.csv piped.csv || wrong "predict - from a pipe: $(head -2 piped.csv)"
[ "$(cat out)" = "{\"rows\": $rows}" ] || wrong "predict - --json: $(cat out)"
sed '1s/$/,more/' table.csv >ragged.csv
fails 1 "standard input line" tabular predict multiclass - --out - <ragged.csv
fails 2 "--out -" tabular predict multiclass table.csv --out - --json
if [ -e /dev/full ]; then
    "$weft" tabular predict multiclass table.csv --out - >/dev/full 2>err && wrong "predict --out - to a full disk succeeds"
    grep -q '^weft: standard output: cannot write: No space left' err || wrong "predict --out - to a full disk: $(cat err)"
fi
[ ! -e ./- ] || wrong "a file named -"
rm p.csv piped.csv

# A column "split" of the table itself says the parts and is no input: the same model as from a split file.
awk '{ quotes += gsub(/"/, "\""); printf "%s%s", $0, quotes % 2 ? " " : "\n" }' table.csv >flat.csv
paste -d , split.csv flat.csv >parted.csv
ran tabular train flat.csv --target y --out apart --split split.csv --config model.json --context-size 8 --epochs 2
ran tabular train parted.csv --target y --out inside --split parted.csv --config model.json --context-size 8 --epochs 2
cmp -s apart/model.safetensors inside/model.safetensors || wrong "a split column gives other weights than a split file"
ran tabular eval inside parted.csv --split parted.csv --json
mv out inside.json
ran tabular eval apart flat.csv --split split.csv --json
cmp -s inside.json out || wrong "a split column: eval says $(cut -c 1-200 inside.json)"

# Parts that are drawn: their shares, none for test, and groups that stay together and are no input.
ran tabular train flat.csv --target y --out drawn --test-share 0 --val-share 0.4 --config model.json --context-size 8 --epochs 1 --json
part train | grep -q '"rows": 150,' || wrong "--val-share 0.4 of 250: $(part train)"
grep -q '"test"' out && wrong "--test-share 0: there is a test part"
awk 'NR == 1 { print "shop," $0; next } { print "shop " NR % 10 "," $0 }' flat.csv >shops.csv
ran tabular train shops.csv --target y --out shops --group shop --config model.json --context-size 8 --epochs 1 --json
for name in train val test; do
    case $(part $name) in '"rows": 50,'* | '"rows": 150,'*) ;; *) wrong "--group: 25 rows a shop, but $name has $(part $name | cut -c 1-20)" ;; esac
done
grep -q '"name": "shop"' shops/schema.json || wrong "--group: the schema does not know the column"
ran tabular predict shops flat.csv --out p.csv
rm p.csv

# An MLP has no candidates and no neighbours; files of their own for the parts.
echo '{"d_layer": 16, "n_blocks": 2}' >mlp.json
make_table binary 100 3 >val.csv
make_table binary 90 4 >test.csv
make_table binary $rows 11 >table.csv
ran tabular train table.csv --target y --out mlp --arch mlp --val val.csv --test test.csv --config mlp.json --epochs 3 --json
for name in train val test; do
    part $name | has_keys "train mlp, $name" accuracy auc logloss
done
[ ! -e mlp/candidates.safetensors ] || wrong "an MLP keeps candidates"
ran tabular predict mlp test.csv --out p.csv
[ "$(head -1 p.csv)" = prediction,p_no,p_yes ] || wrong "predict mlp: header $(head -1 p.csv)"
[ "$(wc -l <p.csv)" -eq 91 ] || wrong "predict mlp: $(wc -l <p.csv) lines"
# --metric decides which epoch is kept: the one of the lowest log-loss, not of the highest accuracy.
make_table binary $rows 11 >table.csv
ran tabular train table.csv --target y --out judged --split split.csv --config model.json --context-size 8 --epochs 8 --metric logloss --json
grep -q '"metric": "logloss"' out || wrong "--metric logloss: $(cut -c 1-120 out)"
lowest=$(sed 's/.*"val_logloss": \([0-9.e-]*\)}.*/\1/' judged/metrics.jsonl | awk '!n++ || $1 < b { b = $1; e = n } END { print e, b }')
grep -q "\"best_epoch\": ${lowest% *}," out || wrong "--metric logloss: epoch ${lowest% *} is the best, not: $(cut -c 1-120 out)"
part val | grep -q "\"logloss\": ${lowest#* }," || wrong "--metric logloss: the kept weights have not ${lowest#* }: $(part val)"
"$weft" tabular train table.csv --target y --out never --split split.csv --metric rmse >out 2>err && wrong "--metric rmse for classes succeeds"
grep -q '^weft: rmse is not measured for a binary target, expected one of accuracy, auc, logloss' err || wrong "--metric rmse for classes: $(cat err)"
ran tabular explain judged table.csv --split split.csv --metric brier --json
grep -q '"metric": "brier"' out || wrong "explain --metric brier: $(cut -c 1-120 out)"

exit $bad
