#!/bin/sh
# weft sim case and replay from a shell: the JSON's keys, both engines and both spellings give one answer, replayed traces equal
# the published simulator's, results are not overwritten, and wrong files and options are told apart by their exit status.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
golden=$source/tests/golden/neupims

# refuses STATUS WORDS COMMAND…: exit status, nothing on standard output, one line that holds the words
refuses() {
    status=$1
    words=$2
    shift 2
    "$weft" sim "$@" >out 2>err
    got=$?
    [ $got -eq "$status" ] || wrong "sim $*: status $got, expected $status: $(cat err)"
    [ ! -s out ] || wrong "sim $*: printed $(head -c 200 out)"
    [ "$(grep -c '^weft: ' err)" -eq 1 ] || wrong "sim $*: $(cat err)"
    grep -q -e "$words" err || wrong "sim $*: \"$(cat err)\" does not say \"$words\""
}

# cut_time FILE: the answer without what differs from run to run
cut_time() {
    sed 's/, "seconds": [^,}]*//; s/"mode": "[a-z]*"//' "$1"
}

case=$golden/sys_a_t512_b1_s64.json
"$weft" sim case "$case" --json >event || wrong "sim case failed"
for key in total_cycles stages ops stats dram_totals mem_bw_util_pct pim_cycles total_energy; do
    grep -q "\"$key\": " event || wrong "sim case: no key $key"
done
grep -q '"total_cycles": 13979,' event || wrong "sim case: $(head -c 200 event)"
"$weft" sim case "$case" --mode exact --json >exact || wrong "sim case --mode exact failed"
[ "$(cut_time event)" = "$(cut_time exact)" ] || wrong "the engines differ"
"$weft" sim case "$case" --order hash --json | grep -q '"total_cycles": 14317,' || wrong "sim case --order hash"
"$weft" sim case "$case" --behaviour fixed --json | grep -q '"total_cycles": 13979,' && wrong "--behaviour fixed changes nothing"
"$weft" sim case "$case" | grep -q 'NeuPIMSAttend' || wrong "sim case prints no operators"
for pair in "npu_only npu" "npu_pim npu-pim" "neupims neupims"; do
    sed "s/\"system\": \"[a-z_]*\"/\"system\": \"${pair#* }\"/" "$case" >spelled.json
    "$weft" sim case spelled.json --json >one || wrong "system ${pair#* } is not known"
    sed "s/\"system\": \"[a-z_]*\"/\"system\": \"${pair% *}\"/" "$case" >spelled.json
    "$weft" sim case spelled.json --json >other || wrong "system ${pair% *} is not known"
    [ "$(cut_time one)" = "$(cut_time other)" ] || wrong "$pair differ"
done

for trace in "mem_mixed_pim_and_reads neupims" "mem_single_mixed newton" "mem_dram_random_rw dram"; do
    name=${trace% *}
    cut -d, -f1-3 "$golden/$name.csv" >in.csv
    for mode in event exact; do
        "$weft" sim replay in.csv --controller "${trace#* }" --out answered.csv --mode $mode --force >out || wrong "sim replay $name failed"
        cmp -s answered.csv "$golden/$name.csv" || wrong "sim replay $name, $mode: another answer"
    done
done
refuses 1 "answered.csv" replay in.csv --controller dram --out answered.csv
refuses 1 "no.csv" replay no.csv --controller dram --out new.csv
printf 'not_before,type,addr\n0,0,64\nx,0,64\n' >broken.csv
refuses 1 "line 3" replay broken.csv --controller dram --out new.csv
printf 'not_before,type,addr\n0,3,64\n' >comp.csv
refuses 1 "COMP" replay comp.csv --controller neupims --out new.csv
[ ! -e new.csv ] || wrong "a failed replay left a file"
refuses 2 "controller" replay in.csv --out new.csv
refuses 2 "neupims" replay in.csv --controller neupim --out new.csv
refuses 2 "event" case "$case" --mode fast
refuses 2 "no quirk" case "$case" --fix everything
"$weft" sim case "$case" --fix vector-lengths,kv-rows --json | grep -q '"total_cycles": ' || wrong "--fix"
refuses 1 "no.json" case no.json
echo '{"system": "neupims", ' >cut.json
refuses 1 "cut.json" case cut.json
echo '{"system": "neupims", "model": {"n_embd": 512, "n_head": 4}, "requests_seq_ch": [[64, 40]]}' >channel.json
refuses 1 "channel is 40" case channel.json
echo '{"system": "neupims", "model": {"n_embd": 512, "n_head": 4}, "requests_seq_ch": [[64, 4]]}' >alone.json
refuses 1 "half is empty" case alone.json --sub-batch on
echo '{"system": "neupims", "model": {"n_embd": 512, "n_head": 4}, "requests_seq_ch": [[64, -1], [64, 4]]}' >skipped.json
"$weft" sim case skipped.json --json 2>err | grep -q '"total_cycles": 13979,' || wrong "a request without a channel is not skipped"
grep -q "skipped" err || wrong "no warning for the skipped request"
# every command, and what held it back: as many as were issued
cut -d, -f1-3 "$golden/mem_mixed_pim_and_reads.csv" >in.csv
"$weft" sim replay in.csv --controller neupims --out answered.csv --commands commands.csv --force >out || wrong "sim replay --commands"
[ "$(awk -F, '$6 == "READ"' commands.csv | grep -c '')" = "$(sed 's/.*commands: \([0-9]*\) READ.*/\1/;t;d' out)" ] || wrong "commands.csv has other READs"
awk -F, 'NR > 1 && $9 == "group" && $6 == "READ" && $10 == "READ" && $1 - $11 != 2 { bad = 1 } END { exit bad }' commands.csv ||
    wrong "a READ is held by another delay than 2 cycles after a READ"
refuses 1 "commands.csv" case "$case" --commands commands.csv
refuses 2 "formulas" case "$case" --commands other.csv --mode analytic
exit $bad
