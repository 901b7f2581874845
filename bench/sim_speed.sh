#!/bin/sh
# CPU seconds of the simulator's engines on the published runs, beside the published simulator's (tests/golden/neupims/speed_reference.json).
# Usage: bench/sim_speed.sh [WEFT]   from the project's folder
weft=${1:-build/weft}
golden=tests/golden/neupims
echo "run order cycles reference_s event_s exact_s"
for run in "a_t512_b4_s512 sorted" "a_t512_b4_samech sorted" "a_t1024_b16 sorted" "a_t1024_b16 hash" "a_t2048_b32 sorted" \
    "a_t2048_b32_sub hash" "a_g7_b8 sorted" "a_g7_b8 hash" "a_g7_b64 sorted" "n_g7_b64 sorted" "p_odd_b5 sorted"; do
    name=${run% *}
    order=${run#* }
    reference=$(tr -d '\n ' <$golden/speed_reference.json | sed "s/.*\"case\":\"$name\",\"line_order\":\"$order\"[^}]*\"cpu_s\":\([0-9.]*\).*/\1/")
    set --
    for mode in event exact; do
        best=9999
        for again in 1 2 3; do
            seconds=$({ LC_ALL=C bash -c "TIMEFORMAT=%U; time $weft sim case $golden/sys_$name.json --order $order --mode $mode --json >answer.$$"; } 2>&1)
            best=$(echo "$best $seconds" | awk '{ print $2 < $1 ? $2 : $1 }')
        done
        set -- "$@" "$best"
    done
    cycles=$(sed 's/.*"total_cycles": \([0-9]*\), "stages".*/\1/' answer.$$)
    echo "$name $order $cycles $reference $*"
done
rm -f answer.$$
