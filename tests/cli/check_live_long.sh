#!/bin/sh
# A model trained on a fifth of the diamonds (WEFT_DATA) and extended with the rest: the validation error falls, it is that of
# the same weights with all rows whatever the steps in which they came, and forgetting them gives the former predictions.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
data=${WEFT_DATA:-$source/../shared/data}/tabr
[ -e "$data/diamonds.csv" ] || {
    echo "no $data/diamonds.csv (set WEFT_DATA): skipped"
    exit 77
}

ran() {
    "$weft" "$@" >out 2>err && return
    echo "weft $*: status $?, $(cat err)"
    exit 1
}

rmse() {
    sed 's/.*"rmse": \([0-9.]*\).*/\1/' out
}

paste -d '|' "$data/diamonds.split.csv" "$data/diamonds.csv" | awk -F '|' '
    NR == 1 { print $2 >"few.csv"; print $2 >"rest.csv"; print $2 >"val.csv"; next }
    $1 == 0 { print $2 >(n++ % 5 ? "rest.csv" : "few.csv") }
    $1 == 1 { print $2 >"val.csv" }'
ran tabular train few.csv --target price --val val.csv --out few --epochs 8 --quiet
ran tabular predict few val.csv --out before.csv
ran tabular eval few val.csv --json
before=$(rmse)
ran tabular extend few rest.csv --out all
ran tabular eval all val.csv --json
after=$(rmse)
echo "validation RMSE $before, with all rows $after"
awk -v a="$before" -v b="$after" 'BEGIN { exit !(b < a) }' || wrong "27,616 more rows do not help: $before, then $after"
head -10000 rest.csv >first.csv
{
    head -1 rest.csv
    tail -n +10001 rest.csv
} >second.csv
ran tabular extend few first.csv --out steps
ran tabular extend steps second.csv
ran tabular predict all val.csv --out all.csv
ran tabular predict steps val.csv --out steps.csv
cmp -s all.csv steps.csv || wrong "rows added in two steps are not those added in one"
ran tabular forget all "$(($(wc -l <few.csv) - 1))-1000000"
ran tabular predict all val.csv --out again.csv
cmp -s before.csv again.csv || wrong "forgetting what was added does not give the former predictions"
exit $bad
