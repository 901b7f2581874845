#!/bin/sh
# The hardware room from a shell: keys of the JSON results, a comparison of all systems, models by config.json, hardware from files,
# serving, sweeping and its journal, pictures, and one line for each thing that can be wrong, with its exit status.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

ran() {
    "$weft" "$@" >out 2>err && return
    wrong "weft $*: status $?, $(cat err)"
}

has() {
    for word in "$@"; do
        grep -q -- "$word" out || wrong "no $word in: $(cut -c 1-400 out)"
    done
}

# fails STATUS WORD COMMAND…: exit status, and one line on standard error that holds WORD
fails() {
    expected=$1
    word=$2
    shift 2
    "$weft" "$@" >out 2>err
    status=$?
    [ "$status" = "$expected" ] || wrong "weft $*: status $status, expected $expected: $(cat err)"
    [ "$(grep -c '' err)" = 1 ] || wrong "weft $*: not one line: $(cat err)"
    grep -q "^weft: .*$word" err || wrong "weft $*: says \"$(cat err)\", expected \"$word\""
}

cat >gpt2.json <<'JSON'
{"model_type": "gpt2", "n_embd": 256, "n_head": 4, "n_layer": 3, "n_positions": 1024, "vocab_size": 1000}
JSON
cat >llama.json <<'JSON'
{"model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
 "num_hidden_layers": 2, "vocab_size": 1000, "max_position_embeddings": 1024}
JSON
cat >moe.json <<'JSON'
{"model_type": "mixtral", "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
 "num_hidden_layers": 2, "vocab_size": 1000, "num_local_experts": 4, "num_experts_per_tok": 2, "max_position_embeddings": 1024}
JSON
mkdir model && cp llama.json model/config.json
printf 'seq_len,ch_idx\n100,0\n64,1\n200,2\n33,3\n' >t.csv
printf 'arrival_s,prompt,output\n0,20,3\n0.001,300,5\n0.002,7,1\n' >arrivals.csv
printf 'input_toks,output_toks\n10,5\n40,9\n3,0\n' >lengths.csv

# one system; sums of energies; the same numbers again
ran sim --model gpt2.json --trace t.csv --json
has '"cycles": ' '"tokens_per_second": ' '"utilization": ' '"energy_joules": ' '"stages"' '"ops"' '"weight_bytes": '
cp out first
ran sim --model gpt2.json --trace t.csv --json --threads 1
cmp -s out first || wrong "two runs differ"
[ "$(grep -c '' out)" = 1 ] || wrong "JSON is not one line"
# layers have 12 E^2 weights; tokens a second times the stage's seconds are the batch
layer=$(sed 's/.*"layer_weights": \([0-9]*\),.*/\1/' out)
[ "$layer" = $((12 * 256 * 256)) ] || wrong "layer_weights $layer"
ran sim --model gpt2.json --trace t.csv --system all --mode analytic --json
has '"systems"' '"system": "gpu"' '"system": "npu"' '"system": "npu-pim"' '"system": "neupims"' '"sub_batch": true'
ran sim --model gpt2.json --trace t.csv --system all --mode analytic
[ "$(grep -c '^neupims + sub-batches' out)" = 1 ] || wrong "no row with sub-batches"
for model in llama.json moe.json model GPT3-7B; do
    ran sim --model $model --batch 4 --length 50 --mode analytic --json
    has '"cycles": '
done
for system in npu npu_pim neupims gpu; do
    ran sim --model llama.json --trace t.csv --system $system --mode analytic --json
    has '"energy_joules": '
done

# hardware from files
ran sim hardware
has neupims newton
ran sim hardware neupims --out mine.json
sed 's/"frequency": "1000 MHz", "interconnect/"frequency": "2 GHz", "interconnect/' mine.json >fast.json
ran sim --model gpt2.json --hardware mine.json --trace t.csv --mode analytic --json
sed 's/.*"cycles": //; s/,.*//' out >a
ran sim --model gpt2.json --trace t.csv --mode analytic --json
sed 's/.*"cycles": //; s/,.*//' out >b
cmp -s a b || wrong "a written preset is another machine"

# a model that one system alone can run, in a comparison of all
cat >latent.json <<'JSON'
{"model_type": "deepseek_v3", "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4, "num_hidden_layers": 2,
 "kv_lora_rank": 32, "q_lora_rank": null, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32, "vocab_size": 1000}
JSON
ran sim --model latent.json --batch 4 --length 50 --system all --json
has '"system": "gpu", "sub_batch": false, "devices": 1, "cycles": '
ran sim case "$2/tests/golden/neupims/sys_a_t512_b1_s64.json" --json
has '"cycles": ' '"tokens_per_second": ' '"utilization": ' '"energy_joules": '

# pictures
ran sim --model gpt2.json --trace t.csv --report r.html --timeline t.json
grep -q '"ph": "X"' t.json || grep -q '"ph":"X"' t.json || wrong "no spans in the timeline"
grep -q 'class="wide"' r.html || wrong "no timeline in the report"
fails 1 force sim --model gpt2.json --trace t.csv --report r.html

# traces, serving, sweeping
ran sim trace --lengths lengths.csv --batch 40 --warm-up 50 --out made.csv
[ "$(grep -c '' made.csv)" = 41 ] || wrong "made.csv has $(grep -c '' made.csv) lines"
ran sim trace --lengths lengths.csv --batch 40 --warm-up 50 --out again.csv
cmp -s made.csv again.csv || wrong "one seed, two traces"
ran sim trace --lengths lengths.csv --arrivals poisson --rate 100 --requests 30 --out arriving.csv
ran sim serve --model gpt2.json --trace arriving.csv --json --requests-out served.csv --report served.html
has '"ttft"' '"tpot"' '"goodput_requests_per_second"' '"queueing"' '"tokens_per_second"'
grep -q '<svg' served.html || wrong "no chart in the report of serving"
[ "$(grep -c '' served.csv)" = 31 ] || wrong "served.csv has $(grep -c '' served.csv) lines"
ran sim sweep --model gpt2.json,llama.json --batch 4,8 --length 50,100 --mode analytic --out sweep --json
has '"points": 40' '"computed": 40' '"pareto"'
cp sweep/points.csv points.csv
ran sim sweep --model gpt2.json,llama.json --batch 4,8 --length 50,100 --mode analytic --out sweep --json --threads 1
has '"reused": 40'
cmp -s sweep/points.csv points.csv || wrong "a sweep read back differs"


# channels: what is written is balanced as told, and a run with the policy says the same
ran sim balance --model gpt2.json --trace made.csv --channels exact --out placed.csv --json
has '"policy": "trace"' '"policy": "greedy"' '"policy": "annealed"' '"policy": "exact"' '"bound_cycles"' '"heavier_half_by_cost_cycles"'
exact=$(sed 's/.*"policy": "exact", "heaviest_cycles": \([0-9]*\),.*/\1/' out)
ran sim balance --model gpt2.json --trace placed.csv --json
has "\"policy\": \"trace\", \"heaviest_cycles\": $exact,"
ran sim --model gpt2.json --trace made.csv --channels exact --mode analytic --json
has "\"channels\": {\"heaviest_cycles\": $exact,"
fails 1 force sim balance --model gpt2.json --trace made.csv --out placed.csv
fails 2 "greedy" sim balance --model gpt2.json --trace made.csv --channels best

# wrong from the command line alone: 2
fails 2 "needs --model" sim --trace t.csv
fails 2 "trace" sim --model gpt2.json
fails 2 "neupims" sim --model gpt2.json --trace t.csv --system tpu
fails 2 "mode" sim --model gpt2.json --trace t.csv --mode exakt
fails 2 "sub-batch" sim --model gpt2.json --trace t.csv --system npu --sub-batch on
fails 2 "did you mean --trace" sim --model gpt2.json --trase t.csv
fails 2 "max-batch" sim serve --model gpt2.json --trace arrivals.csv --chunk 4
fails 2 "whole number" sim sweep --model gpt2.json --batch 4,many --out s2
fails 2 "neupims+sub" sim sweep --model gpt2.json --system npu+sub --out s2
# wrong in a file: 1
fails 1 "nothing.json" sim --model nothing.json --trace t.csv
fails 1 "nothing.csv" sim --model gpt2.json --trace nothing.csv
echo '{' >broken.json
fails 1 "broken.json" sim --model broken.json --trace t.csv
fails 1 "broken.json" sim --model gpt2.json --hardware broken.json --trace t.csv
echo '{"n_embd": 250, "n_head": 4, "n_layer": 1}' >odd.json
fails 1 "250" sim --model odd.json --trace t.csv
fails 1 "n_tp" sim --model gpt2.json --trace t.csv --tensor-parallel 3
printf 'seq_len,ch_idx\n' >empty.csv
fails 1 "empty" sim --model gpt2.json --trace empty.csv
for row in '0,1' '-5,1' '1.5,1' 'x,1' '5,32' '5000,1'; do
    printf 'seq_len,ch_idx\n%s\n' "$row" >row.csv
    fails 1 "row.csv, line 2" sim --model gpt2.json --trace row.csv
done
printf 'seq_len,arrival_s,output\n5,2,1\n5,1,1\n' >unsorted.csv
fails 1 "arrivals in order" sim serve --model gpt2.json --trace unsorted.csv
# chunks of prompts: a column of the trace, and every engine takes them
printf 'seq_len,ch_idx,tokens\n40,0,1\n64,3,64\n96,4,32\n' >chunks.csv
for mode in analytic event exact; do
    ran sim --model llama.json --trace chunks.csv --system neupims --mode $mode --json
    has '"attn.prompt"'
done
fails 2 "behaviour fixed" sim --model llama.json --trace t.csv --links inside --behaviour compat
printf 'seq_len,tokens\n40,41\n' >chunk.csv
fails 1 "chunk.csv, line 2" sim --model llama.json --trace chunk.csv
fails 1 "prompt and output" sim serve --model gpt2.json --trace t.csv
echo '{"npu": {"frequency": 1000}}' >unit.json
fails 1 "its unit" sim --model gpt2.json --hardware unit.json --trace t.csv
echo '{"npu": {"frequency": "0 GHz"}}' >zero.json
fails 1 "frequency" sim --model gpt2.json --hardware zero.json --trace t.csv
echo '{"npu": {"frequensy": "1 GHz"}}' >unknown.json
fails 1 'did you mean "frequency"' sim --model gpt2.json --hardware unknown.json --trace t.csv
echo '{"memory": {"banks_per_group": 0}}' >banks.json
fails 1 "banks_per_group" sim --model gpt2.json --hardware banks.json --trace t.csv
echo '{"memory": {"channels": 12}}' >channels.json
fails 1 "power of two" sim --model gpt2.json --hardware channels.json --trace t.csv
echo '{"dram_type": "sdram"}' >type.json
fails 1 "neupims, newton or dram" sim --model gpt2.json --hardware type.json --trace t.csv
echo '{"run_mode": "tpu"}' >mode.json
fails 1 "npu or npu+pim" sim --model gpt2.json --hardware mode.json --trace t.csv
printf '[timing]\ntRP = 14\ntRAS = 50\ntRC = 40\n' >trc.ini
fails 1 "tRAS" sim --model gpt2.json --hardware trc.ini --trace t.csv
fails 1 "no request is left" sim --model gpt2.json --trace "$(printf 'seq_len,ch_idx\n5,-1\n' >skipped.csv; echo skipped.csv)"
fails 1 "fewer than" sim --model gpt2.json --trace t.csv --batch 5
printf 'seq_len,ch_idx\n5,0\n' >one.csv
fails 1 "half" sim --model gpt2.json --trace one.csv --sub-batch on
fails 1 "GPT3-175B needs" sim --model GPT3-175B --batch 8 --length 100 --tensor-parallel 1 --pipeline-parallel 1
exit $bad
