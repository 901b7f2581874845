#!/bin/sh
# What a model says of itself: rows whose labels were changed by hand are found, a column that decides everything is the most
# important and one of noise the least, probabilities spoilt on purpose are mended by the temperature, intervals hold as often as
# they say, and strange rows are called strange.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"

ran() {
    "$weft" "$@" --threads 1 >out 2>err && return
    echo "weft $*: status $?, $(cat err)"
    exit 1
}

# number KEY: its first value in the JSON of out
number() {
    sed -n "s/.*\"$1\": \([-0-9.e+]*\).*/\1/p" out
}

# between LOW HIGH VALUE WHAT
between() {
    awk -v low="$1" -v high="$2" -v x="$3" 'BEGIN { exit !(x >= low && x <= high) }' || wrong "$4 is $3, expected $1 to $2"
}

# A class that follows from `key` alone; every row of `noise` is chance. Rows 10, 20 … 50 of the training part have the wrong label.
awk 'function draw() { x = (x * 16807) % 2147483647; return x / 2147483647 }
    BEGIN {
        x = 99
        print "noise,key,y"
        for (i = 0; i < 600; i++) {
            noise = draw(); key = draw() * 4 - 2; c = key > 0 ? "up" : "down"
            if (i % 10 == 0 && i > 0 && i <= 50)
                c = c == "up" ? "down" : "up"
            printf "%.5f,%.5f,%s\n", noise, key, c
        }
    }' >classes.csv
awk 'BEGIN { print "split"; for (i = 0; i < 600; i++) print i < 360 ? 0 : i < 480 ? 1 : 2 }' >split.csv
small_model >small.json
ran tabular train classes.csv --target y --out model --split split.csv --config small.json --context-size 16 --epochs 25 --json
grep -q '"certainty": {"calibrated": {' out || wrong "train --json says nothing of its certainty: $(cut -c 1-300 out)"

ran tabular suspicious model --top 8 --out ranked.csv --json
found=0
for row in 10 20 30 40 50; do
    grep -q "\"row\": $row," out && found=$((found + 1))
done
[ $found -ge 4 ] || wrong "only $found of 5 wrong labels among the first 8: $(cat out)"
[ "$(wc -l <ranked.csv)" -eq 361 ] || wrong "suspicious --out has not a line a training row"
[ "$(head -1 ranked.csv)" = row,target,predicted,loss,p_target,agreement ] || wrong "suspicious --out begins with $(head -1 ranked.csv)"
sort -t, -k4 -gr ranked.csv | grep -v row >sorted.csv
[ "$(sed 1d ranked.csv | cut -d, -f4)" = "$(cut -d, -f4 sorted.csv)" ] || wrong "suspicious --out is not in order of loss"

ran tabular explain model classes.csv --split split.csv --json
grep -q '"importance": \[{"feature": "key", "drop": 0\.[3-5]' out || wrong "explain: $(cut -c 1-400 out)"
between -0.08 0.08 "$(sed 's/.*"noise", "drop": \([-0-9.e]*\).*/\1/' out)" "the importance of noise"
cp out first
ran tabular explain model classes.csv --split split.csv --json
cmp -s first out || wrong "explain is not the same twice"
ran tabular explain model classes.csv --split split.csv --json --threads 2
cmp -s first out || wrong "explain depends on the threads"
ran tabular explain model classes.csv --split split.csv --json --seed 4
cmp -s first out && wrong "explain does not depend on the seed"

# The temperature changes how sure the model is, never the class that it predicts.
ran tabular eval model classes.csv --split split.csv --json
before=$(number accuracy)
ran tabular calibrate model classes.csv --split split.csv --part val --json
between 0.2 3 "$(number temperature)" "the temperature"
[ ! -s err ] || wrong "calibrating on the validation part: $(cat err)"
cp -r model careless
ran tabular calibrate careless classes.csv --json
grep -q '^weft: [0-9]* of these [0-9]* rows have an identical training row' err || wrong "calibrating on training rows is not said: $(cat err)"
rm -r careless
ran tabular eval model classes.csv --split split.csv --json
[ "$(number accuracy)" = "$before" ] || wrong "calibrating changed the accuracy"
ran tabular predict model classes.csv --out raw.csv
ran tabular predict model classes.csv --out soft.csv --calibrated --interval 0.9
[ "$(cut -d, -f1 raw.csv)" = "$(cut -d, -f1 soft.csv)" ] || wrong "--calibrated changes the predicted class"
cmp -s raw.csv soft.csv && wrong "--calibrated changes nothing"
[ "$(head -1 soft.csv)" = prediction,p_down,p_up,set ] || wrong "--interval of classes: header $(head -1 soft.csv)"

# A threshold is chosen for what is wished, decides what is predicted and nothing else, and can be taken back.
ran tabular threshold model classes.csv --split split.csv --part val --least-recall 1 --json
between 1 1 "$(sed 's/.*"now": {[^}]*"recall": \([0-9.]*\).*/\1/' out)" "the recall of a threshold with --least-recall 1"
cut=$(awk -F, 'NR > 1 { print $3 }' raw.csv | sort -g | sed -n 450p)
ran tabular threshold model classes.csv --to "$cut" --json
ran tabular predict model classes.csv --out low.csv
ran tabular predict model classes.csv --out low_soft.csv --calibrated
[ "$(cut -d, -f2- low.csv)" = "$(cut -d, -f2- raw.csv)" ] || wrong "a threshold changes probabilities"
[ "$(cut -d, -f1 low.csv)" = "$(cut -d, -f1 low_soft.csv)" ] || wrong "a threshold decides otherwise with --calibrated"
awk -F, -v cut="$cut" 'NR > 1 && ($1 == "up") != ($3 > cut) && ($3 - cut) ^ 2 > 1e-12 { exit 1 }' low.csv || wrong "predictions do not follow the threshold $cut"
cmp -s low.csv raw.csv && wrong "a threshold that a quarter of the rows exceeds changes no prediction"
ran tabular eval model classes.csv --split split.csv --json
grep -q '"decision": {"class": "up"' out || wrong "eval does not tell what the threshold gives: $(cut -c 1-300 out)"
[ "$(number accuracy)" != "" ] && [ "$(sed 's/.*"rows": [0-9]*, "accuracy": \([0-9.]*\).*/\1/' out)" = "$before" ] || wrong "a threshold changes eval's accuracy"
ran tabular calibrate model classes.csv --split split.csv --part val
ran tabular predict model classes.csv --out again.csv
cmp -s low.csv again.csv || wrong "calibrating forgets the threshold"
cksum model/* >kept
ran tabular threshold model classes.csv --split split.csv --part val --cost 1,3 --dry-run
cksum model/* | cmp -s - kept || wrong "--dry-run changes the model"
ran tabular threshold model classes.csv --to 0.5
ran tabular predict model classes.csv --out again.csv --force
cmp -s raw.csv again.csv || wrong "a threshold of 0.5 is not what it was before"
refuse() {
    want=$1
    word=$2
    shift 2
    "$weft" "$@" --quiet >out 2>err
    got=$?
    { [ $got -eq "$want" ] && [ "$(wc -l <err)" -eq 1 ] && grep -qF -e "$word" err; } || wrong "weft $*: status $got, $(cat err)"
}
refuse 2 'as in 1,5' tabular threshold model classes.csv --cost 1,-5
refuse 2 'both say what is best' tabular threshold model classes.csv --cost 1,5 --by f1
refuse 2 'leaves nothing to choose' tabular threshold model classes.csv --to 0.3 --least-recall 0.5
refuse 2 '--to takes a number from 0 to 1' tabular threshold model classes.csv --to 2
grep -e noise -e ',up$' classes.csv >ups.csv
refuse 1 'are of one class' tabular threshold model ups.csv

# Quantities: intervals hold about as often as they say on rows like those of training, and rows far away are called so.
awk 'function draw() { x = (x * 16807) % 2147483647; return x / 2147483647 }
    BEGIN {
        x = 7
        print "a,b,y"
        for (i = 0; i < 1500; i++) {
            a = draw() * 4; b = draw() * 4; noise = draw() + draw() + draw() - 1.5
            printf "%.5f,%.5f,%.5f\n", a, b, a * b + (a > 2 ? 2 : 0.3) * noise
        }
    }' >quantity.csv
awk 'BEGIN { print "split"; for (i = 0; i < 1500; i++) print i < 600 ? 0 : i < 1000 ? 1 : 2 }' >parts.csv
ran tabular train quantity.csv --target y --out quantity --split parts.csv --config small.json --context-size 24 --epochs 12
for level in 0.5 0.8 0.9; do
    ran tabular eval quantity quantity.csv --split parts.csv --interval $level --json
    low=$(awk -v l=$level 'BEGIN { print l - 0.08 }')
    high=$(awk -v l=$level 'BEGIN { print l + 0.08 }')
    between "$low" "$high" "$(number coverage)" "the coverage of $level intervals"
done
between 0 0.05 "$(number out_of_domain)" "the share of usual rows that are out of domain"
printf 'a,b\n1,1\n2,3\n' >usual.csv
ran tabular predict quantity usual.csv --out usual_p.csv --domain --interval 0.9
[ "$(sed 1d usual_p.csv | awk -F, '{ n += $NF } END { print n }')" -eq 0 ] || wrong "usual rows are out of domain: $(cat usual_p.csv)"
ran tabular predict quantity usual.csv --out sure.csv --interval 0.999
[ ! -s err ] && wrong "400 validation rows bound something with 99.9 %"
grep -q -- -inf sure.csv || wrong "too few rows for 99.9 %, and yet bounds: $(cat sure.csv)"
refuse 1 'its target is a quantity' tabular threshold quantity quantity.csv
exit $bad
