#!/bin/sh
# Training of a language model that was interrupted, or killed behind a checkpoint, and resumed on another number of threads leaves
# the bytes of one that was left alone: from scratch, with an adapter, and of classes.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo "the cat sat on the mat and the rat sat on the cat, said the cat of number $i"
done >text.txt
for i in 1 2 3 4 5 6 7 8; do
    echo "{\"text\": \"the cat sat $i\", \"label\": \"cat\"}"
    echo "{\"text\": \"the rat sat $i\", \"label\": \"rat\"}"
done >labels.jsonl
"$weft" lm tokenizer text.txt --vocab-size 280 --out words >out || wrong "no tokenizer"
cat >tiny.json <<'END'
{"model_type": "llama", "vocab_size": 280, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}
END
"$weft" lm train --data text.txt --tokenizer words --config tiny.json --length 16 --steps 5 --out base >out || wrong "no base"

# stopped SIGNAL DIR FILE WORDS…: the run of WORDS, stopped by SIGNAL at a checkpoint and resumed, makes the FILE that it makes alone
stopped() {
    signal=$1
    to=$2
    file=$3
    shift 3
    "$weft" "$@" --out "alone.$to" --threads 1 --quiet >out 2>err || wrong "$to alone: $(cat err)"
    "$weft" "$@" --out "$to" --threads 1 --quiet >out 2>err &
    job=$!
    tries=0
    until [ -e "$to/trainer.json" ] || [ $tries -gt 1000 ]; do
        tries=$((tries + 1))
        sleep 0.01
    done
    kill -s "$signal" $job 2>/dev/null || wrong "$to: it had ended before it could be stopped"
    wait $job 2>/dev/null
    [ -e "$to/$file" ] && wrong "$to: finished before it was stopped"
    if [ "$signal" = INT ]; then
        grep -q -e --resume err || wrong "$to: does not say how to go on: $(cat err)"
    fi
    "$weft" "$@" --out "$to" --quiet >out 2>err && wrong "$to: an unfinished run was begun anew"
    grep -q "holds an unfinished run" err || wrong "$to: $(cat err)"
    "$weft" "$@" --out "$to" --resume --threads 2 --quiet >out 2>err || wrong "$to resumed: $(cat err)"
    cmp "$to/$file" "alone.$to/$file" || wrong "$to: other bytes than the run that was left alone"
    [ -e "$to/trainer.json" ] && wrong "$to: the finished run kept its state"
}

stopped INT scratch model.safetensors lm train --data text.txt --tokenizer words --config tiny.json --length 32 --batch-size 4 --steps 800 \
    --eval-every 200 --checkpoint-every 50
stopped KILL tuned model.safetensors lm finetune base --data text.txt --length 32 --batch-size 4 --steps 800 --eval-every 200 \
    --checkpoint-every 50
stopped KILL adapter adapter_model.safetensors lm finetune base --data text.txt --length 32 --batch-size 4 --lora --dropout 0.1 --steps 800 \
    --eval-every 200 --checkpoint-every 50
stopped INT classes model.safetensors lm finetune base --classify --data labels.jsonl --batch-size 4 --steps 800 --eval-every 200 \
    --checkpoint-every 50

exit $bad
