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
    row=$(grep "^$1	" "$source/bench/tables.tsv")
    drop=$(echo "$row" | cut -f 4)
    set -- "$1" "$2" "$(echo "$row" | cut -f 2)" "$(echo "$row" | cut -f 3)"
    "$weft" tabular train "$data/$1.csv" --target "$3" --task "$4" --split "$data/$1.split.csv" ${drop:+--drop "${drop#-}"} --ensemble 3 \
        --out "$1" --quiet --json >out 2>err || {
        wrong "$1: $(cat err)"
        return
    }
    mean=$(sed 's/.*"members_alone": \[\([^]]*\)\].*/\1/' out | grep -o '"accuracy": [0-9.]*' | awk '{ s += $2 } END { printf "%.4f", s / NR }')
    echo "$1: $mean, aimed at $2"
    awk -v mean="$mean" -v least="$2" 'BEGIN { exit !(mean >= least) }' || wrong "$1: the mean accuracy is $mean, aimed at $2"
}

table penguins 0.98
table titanic 0.769
table wine_white 0.665
table churn 0.850
table covtype6k 0.885
exit $bad
