#!/bin/sh
# TabR-S in its defaults on real tables (WEFT_DATA): the mean of three seeds on the test part reaches what is aimed at
# (docs/results/tabr.md). The larger tables take hours and are bench/tabr_results.sh's.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
data=${WEFT_DATA:-$source/../shared/data}/tabr
[ -e "$data/churn.csv" ] || {
    echo "no tables in $data (set WEFT_DATA): skipped"
    exit 77
}
data=$(readlink -f "$data")

# table NAME LEAST: mean accuracy
table() {
    name=$1
    least=$2
    row=$(grep "^$name	" "$source/bench/tables.tsv")
    set -- "$data/$name.csv" --target "$(echo "$row" | cut -f 2)" --task "$(echo "$row" | cut -f 3)" --split "$data/$name.split.csv"
    drop=$(echo "$row" | cut -f 4)
    [ "$drop" = - ] || set -- "$@" --drop "$drop"
    "$weft" tabular train "$@" --ensemble 3 --out "$name" --quiet --json >out 2>err || {
        wrong "$name: $(cat err)"
        return
    }
    mean=$(sed 's/.*"members_alone": \[\([^]]*\)\].*/\1/' out | grep -o '"accuracy": [0-9.]*' | awk '{ s += $2 } END { printf "%.4f", s / NR }')
    echo "$name: $mean, aimed at $least"
    awk -v mean="$mean" -v least="$least" 'BEGIN { exit !(mean >= least) }' || wrong "$name: the mean accuracy is $mean, aimed at $least"
}

table penguins 0.98
table titanic 0.769
table wine_white 0.665
table churn 0.850
table covtype6k 0.885
exit $bad
