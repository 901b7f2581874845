#!/bin/sh
# Sweeps by several processes: started by hand, by mpirun where there is one, and killed on the way. The numbers are those of one
# process, and one process tells them.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

cat >gpt2.json <<'JSON'
{"model_type": "gpt2", "n_embd": 256, "n_head": 4, "n_layer": 3, "n_positions": 1024, "vocab_size": 1000}
JSON

# sweep DIR OPTIONS…: 40 points of some milliseconds each, by event
sweep() {
    to=$1
    shift
    "$weft" sim sweep --model gpt2.json --batch 2,3 --length 32,64,96,128 --out "$to" --threads 1 --quiet "$@"
}

# same DIR WHAT: its points are those of one process, each journalled once
same() {
    cmp -s alone/points.csv "$1/points.csv" || wrong "$2: points.csv differs"
    cmp -s alone/pareto.csv "$1/pareto.csv" || wrong "$2: pareto.csv differs"
    [ "$(sort -u "$1/points.jsonl" | grep -c '')" = 40 ] || wrong "$2: $(grep -c '' "$1/points.jsonl") lines in the journal"
}

sweep alone --json >out || wrong "alone: status $?"
grep -q '"points": 40, "computed": 40, "reused": 0, "elsewhere": 0' out || wrong "alone: $(cut -c 1-200 out)"

# by hand: each says the whole result
jobs=
for i in 1 2 3; do
    sweep byhand --json >"hand$i" &
    jobs="$jobs $!"
done
for job in $jobs; do
    wait "$job" || wrong "by hand: status $?"
done
same byhand "by hand"
sum=0
for i in 1 2 3; do
    sum=$((sum + $(sed 's/.*"computed": \([0-9]*\).*/\1/' hand$i)))
done
[ $sum = 40 ] || wrong "by hand: $sum points were computed in all"
[ "$(for i in 1 2 3; do sed 's/.*"pareto"//' hand$i; done | sort -u | grep -c '')" = 1 ] || wrong "by hand: three results"

# as a launcher tells its ranks: the first speaks
for rank in 1 0; do
    PMI_RANK=$rank PMI_SIZE=2 sweep ranks --json >rank$rank &
    eval "job$rank=$!"
done
wait "$job0" || wrong "rank 0: status $?"
wait "$job1" || wrong "rank 1: status $?"
same ranks "two ranks"
[ -s rank1 ] && wrong "rank 1 says: $(cut -c 1-200 rank1)"
grep -q '"pareto"' rank0 || wrong "rank 0 says: $(cut -c 1-200 rank0)"

# killed on the way: what was written is not computed again
"$weft" sim sweep --model gpt2.json --batch 2,3 --length 32,64,96,128 --out killed --threads 1 --quiet >out 2>err &
job=$!
tries=0
until [ "$(grep -c '' killed/points.jsonl 2>/dev/null)" -ge 3 ] 2>/dev/null || [ $tries -ge 1000 ]; do
    sleep 0.01
    tries=$((tries + 1))
done
kill -9 $job
wait $job 2>/dev/null
lines=$(grep -c '' killed/points.jsonl)
sweep killed --json >out || wrong "after a kill: status $?"
grep -q "\"reused\": $lines" out || wrong "after a kill: $lines lines in the journal, $(cut -c 1-200 out)"
same killed "after a kill"

# another policy is another point under the same name
sweep killed --channels round-robin --json >out || wrong "round robin: status $?"
grep -q '"computed": 40, "reused": 0' out || wrong "round robin: $(cut -c 1-200 out)"
sweep killed --json >out || wrong "greedy again: status $?"
grep -q '"computed": 0, "reused": 40' out || wrong "greedy again: $(cut -c 1-200 out)"

if command -v mpirun >/dev/null 2>&1 && mpirun --version 2>/dev/null | grep -q 'Open MPI'; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    mpirun --oversubscribe -n 4 "$weft" sim sweep --model gpt2.json --batch 2,3 --length 32,64,96,128 --out mpi --quiet --json \
        >out 2>err </dev/null || wrong "mpirun: $(cat err)"
    [ "$(grep -c '' out)" = 1 ] || wrong "mpirun: $(grep -c '' out) results"
    same mpi "mpirun"
else
    echo "no mpirun here: the sweep under it was not run"
fi
exit $bad
