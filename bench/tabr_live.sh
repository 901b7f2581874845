#!/bin/sh
# The figures of docs/results/tabr.md on live tables, certainty and context freeze: bench/tabr_live.sh build/weft DATA_FOLDER
# [diamonds] [certainty] [freeze]. DATA_FOLDER holds the tables and their split files. One thread; about half an hour.
weft=$(readlink -f "$1")
data=$(readlink -f "$2")
shift 2
[ $# -gt 0 ] || set -- diamonds certainty freeze
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

# Trained on every fifth training row of diamonds, then extended with the others; every score on the same rows.
diamonds() {
    paste -d '|' "$data/diamonds.split.csv" "$data/diamonds.csv" | awk -F '|' '
        NR == 1 { print $2 > "few.csv"; print $2 > "rest.csv"; print $2 > "val.csv"; print $2 > "test.csv"; next }
        $1 == 0 { print $2 > (n++ % 5 ? "rest.csv" : "few.csv") }
        $1 == 1 { print $2 > "val.csv" }
        $1 == 2 { print $2 > "test.csv" }'
    "$weft" tabular train few.csv --target price --val val.csv --test test.csv --out few --epochs 25 --threads 1 --quiet >/dev/null
    "$weft" tabular predict few test.csv --out before.csv --neighbors 5
    for part in val test; do
        echo "before, $part: $("$weft" tabular eval few $part.csv | grep rmse | head -1)"
    done
    "$weft" tabular extend few rest.csv
    for part in val test; do
        echo "after, $part: $("$weft" tabular eval few $part.csv | grep rmse | head -1)"
    done
    "$weft" tabular forget few "$(($(wc -l <few.csv) - 1))-1000000"
    "$weft" tabular predict few test.csv --out again.csv --neighbors 5
    cmp before.csv again.csv && echo "forgotten: the former predictions, to the bit"
}

# certainty NAME TARGET EPOCHS: calibration or intervals on the test part
certain() {
    "$weft" tabular train "$data/$1.csv" --target "$2" --split "$data/$1.split.csv" --out "$1" --epochs "$3" --threads 1 --quiet \
        >/dev/null
    for level in 0.5 0.8 0.9 0.95; do
        echo "$1: $("$weft" tabular eval "$1" "$data/$1.csv" --split "$data/$1.split.csv" --interval $level |
            grep -E '^(rmse|accuracy|ece|logloss|brier|with|sets|intervals|out of)' | tr '\n' ';')"
    done
}

certainty() {
    certain california MedHouseVal 22
    certain letter letter 14
    certain adult income 5
}

freeze() {
    for freeze in never 0 1 4; do
        for seed in 0 1 2; do
            option=
            [ $freeze = never ] || option="--context-freeze $freeze"
            # shellcheck disable=SC2086
            "$weft" tabular train "$data/covtype6k.csv" --target Cover_Type --split "$data/covtype6k.split.csv" --out "$freeze.$seed" \
                --epochs 30 --seed $seed --threads 1 --quiet --json $option >out
            echo "freeze $freeze, seed $seed: $(sed 's/.*"epochs": \([0-9]*\).*"seconds": \([0-9.]*\).*"test": {"rows": [0-9]*, "accuracy": \([0-9.]*\), "logloss": \([0-9.]*\).*/\1 epochs, \2 s, accuracy \3, log-loss \4/' out)"
        done
    done
}

for part in "$@"; do
    echo "== $part"
    $part
done
