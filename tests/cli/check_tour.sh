#!/bin/sh
# The tour runs every job on data of its own and leaves a page that needs nothing else; bench answers for the names it is asked.
weft=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0

complain() {
    echo "check_tour: $1"
    failed=1
}

"$weft" tour --out "$folder/tour" --json >"$folder/tour.json" 2>"$folder/errors" || complain "tour failed: $(cat "$folder/errors")"
grep -q '"jobs": *\[{"name": *"tabular", *"ok": *true, *"seconds": *[0-9.]*, *"headline": *"RMSE' "$folder/tour.json" ||
    complain "the JSON lacks the table's job: $(head -c 300 "$folder/tour.json")"
[ "$(wc -l <"$folder/tour.json")" -le 1 ] || complain "more than one line of JSON"
page=$folder/tour/report.html
[ -s "$page" ] || complain "there is no report.html"
grep -q '<svg' "$page" || complain "the page has no chart"
grep -Eq '(src|href)="(https?:)?//' "$page" && complain "the page loads something from elsewhere"
for file in houses.csv houses/config.json houses/model.safetensors houses/candidates.safetensors houses/schema.json; do
    [ -s "$folder/tour/$file" ] || complain "$file is missing"
done
"$weft" tour --out "$folder/tour" --json >/dev/null 2>"$folder/errors" && complain "a second tour wrote over the first without --force"
[ "$(wc -l <"$folder/errors")" -eq 1 ] || complain "a refusal is one line"

"$weft" bench matmul_512 compile_12 csv_read --rounds 1 --json >"$folder/bench.json" 2>"$folder/errors" || complain "bench failed: $(cat "$folder/errors")"
for key in '"name": *"matmul_512"' '"name": *"compile_12"' '"name": *"csv_read"' '"seconds"' '"gflops"' '"gbps"' '"of_peak"'; do
    grep -Eq "$key" "$folder/bench.json" || complain "bench: no $key"
done
"$weft" bench no_such_job >/dev/null 2>"$folder/errors"
[ $? -eq 2 ] || complain "an unknown job must be wrong usage"
grep -q matmul_512 "$folder/errors" || complain "the refusal must list the jobs"
exit $failed
