#!/bin/sh
# Training language models from a shell, on a few lines of text: from scratch, further, with an adapter, with a teacher; merged,
# stopped and resumed; the keys of --json; and every mistake with its one line and exit status.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

# keys "KEY …" WORDS…: succeeds, with one JSON object that has the keys
keys() {
    wanted=$1
    shift
    "$weft" "$@" --json >out 2>err || wrong "weft $*: $(cat err)"
    [ "$(wc -l <out)" -eq 1 ] || wrong "weft $*: not one object: $(head -c 600 out)"
    for key in $wanted; do
        grep -qF -e "\"$key\": " out || wrong "weft $*: no \"$key\" in $(head -c 600 out)"
    done
}

# number KEY: of the last --json
number() {
    sed -n "s/.*\"$1\": \\([-0-9.e]*\\).*/\\1/p" out
}

for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo "the cat sat on the mat and the rat sat on the cat, said the cat of number $i"
done >text.txt
for i in 1 2 3 4 5 6 7 8; do
    echo "{\"instruction\": \"who sat on mat $i? \", \"output\": \"the cat sat on the mat\"}"
done >records.jsonl
"$weft" lm tokenizer text.txt --vocab-size 280 --out words --json >out || wrong "no tokenizer"
cat >tiny.json <<'END'
{"model_type": "llama", "vocab_size": 280, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}
END
sed 's/"hidden_size": 16/"hidden_size": 24/' tiny.json >wide.json

told="tokens rows steps evaluations train_loss val_loss seconds out"
keys "parameters $told" lm train --data text.txt --tokenizer words --config tiny.json --length 16 --steps 20 --lr 0.01 \
    --batch-size 4 --out base
for file in config.json model.safetensors run.json metrics.jsonl; do
    [ -s base/$file ] || wrong "base lacks $file"
done
keys "$told" lm train --data text.txt --tokenizer words --config wide.json --length 16 --steps 20 --lr 0.01 --batch-size 4 --out wide
keys "trained $told" lm finetune base --data records.jsonl --prompt "{{ instruction }}" --steps 10 --lr 0.01 --batch-size 4 --out tuned
"$weft" lm finetune base --data records.jsonl --prompt "{{ instruction }}" --steps 10 --lr 0.01 --batch-size 4 --recompute --out again --json >out || wrong "--recompute"
cmp -s tuned/model.safetensors again/model.safetensors || wrong "--recompute gives other weights"

# a teacher: training goes another way than without, and its loss falls
"$weft" lm finetune base --data text.txt --length 16 --steps 2 --lr 0.01 --batch-size 4 --teacher wide --teacher-weight 1 --val-share 0 \
    --out pupil --json >out || wrong "two steps with a teacher"
early=$(number train_loss)
"$weft" lm finetune base --data text.txt --length 16 --steps 40 --lr 0.01 --batch-size 4 --teacher wide --teacher-weight 1 --val-share 0 \
    --out pupil --force --json >out || wrong "forty steps with a teacher"
awk "BEGIN { exit !($(number train_loss) < $early) }" || wrong "the teacher's loss: $early after 2 steps, $(number train_loss) after 40"

# an adapter, beside its base and worked into it
keys "trained $told" lm finetune base --data records.jsonl --prompt "{{ instruction }}" --lora --rank 4 --steps 10 --lr 0.02 --batch-size 4 --out adapter
for file in adapter_config.json adapter_model.safetensors; do
    [ -s adapter/$file ] || wrong "adapter lacks $file"
done
"$weft" lm merge base --adapter adapter --out merged --json >out || wrong "no merge"
keys perplexity lm perplexity base --adapter adapter --file text.txt
beside=$(number perplexity)
keys perplexity lm perplexity merged --file text.txt
awk "BEGIN { d = $beside - $(number perplexity); exit !(d < 1e-3 && d > -1e-3) }" || wrong "perplexity $beside beside, $(number perplexity) merged"

# an encoder: masked words, from scratch and further
# shellcheck source=tests/cli/tiny_encoder.sh
. "$source/tests/cli/tiny_encoder.sh"
keys "parameters $told" lm train --data text.txt --tokenizer pieces --config encoder.json --length 32 --steps 20 --lr 0.01 \
    --batch-size 4 --out encoder
early=$(number train_loss)
for i in 1 2 3 4; do
    echo '{"text": "the cat sat on the mat and the rat sat on the cat"}'
done >texts.jsonl
keys "trained $told" lm finetune encoder --data texts.jsonl --steps 60 --lr 0.01 --batch-size 4 --out further
awk "BEGIN { exit !($(number train_loss) < $early) }" || wrong "masked words: $early, then $(number train_loss)"
keys "trained $told" lm finetune encoder --data texts.jsonl --lora --steps 20 --lr 0.01 --batch-size 4 --out further-lora
"$weft" lm merge encoder --adapter further-lora --out further-merged --json >out || wrong "an encoder's adapter: no merge"
fails 1 "--dpo wants a decoder" lm finetune encoder --data texts.jsonl --dpo --out x --json
fails 1 "context is 32 tokens" lm finetune encoder --data texts.jsonl --length 33 --out x --json
fails 1 "no room" lm finetune encoder --data texts.jsonl --length 2 --out x --json
fails 1 "expected {text}" lm finetune encoder --data records.jsonl --out x --json
fails 1 "no mask token" lm train --data text.txt --tokenizer words --config encoder.json --out x --json

# classes: a fresh head, then the head of the folder
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    echo '{"text": "the cat sat on the mat", "label": "cat"}'
    echo '{"text": "and the rat sat on the mat of the rat", "label": "rat"}'
done >labels.jsonl
keys "trained classes val_accuracy $told" lm finetune encoder --classify --data labels.jsonl --steps 60 --lr 0.01 --batch-size 8 --out classifier
[ "$(number val_accuracy)" = 1.0 ] || wrong "cat or rat: $(cat out)"
[ "$(number classes)" = 2 ] || wrong "two classes: $(cat out)"
grep -q '"1": "rat"' classifier/config.json || wrong "no names of classes: $(cat classifier/config.json)"
"$weft" info classifier >out || wrong "the classifier does not open"
keys "val_accuracy" lm finetune classifier --classify --data labels.jsonl --steps 1 --lr 1e-9 --batch-size 8 --out same
[ "$(number val_accuracy)" = 1.0 ] || wrong "cat or rat, read again: $(cat out)"
echo '{"text": "the mat", "label": "mat"}' >mat.jsonl
fails 1 'label "mat" is none of the classifier' lm finetune classifier --classify --data mat.jsonl --out x --json
fails 1 "all records have one label" lm finetune encoder --classify --data mat.jsonl --out x --json
fails 1 "expected {text, label}" lm finetune encoder --classify --data texts.jsonl --out x --json
# the same from a table, whose cells are quoted where they must be
{
    echo 'label,text,"other, too"'
    for i in 1 2 3 4 5 6 7 8 9 10; do
        printf '%s\r\n' 'cat,"the cat, sat on the mat",1' 'rat,"and the rat sat
on the ""mat"" of the rat",2'
    done
} >labels.csv
keys "trained classes val_accuracy $told" lm finetune encoder --classify --data labels.csv --steps 60 --lr 0.01 --batch-size 8 --out from-table
[ "$(number val_accuracy)" = 1.0 ] || wrong "cat or rat from a table: $(cat out)"
printf 'text,label\n"the cat,cat\n' >open.csv
fails 1 "open.csv" lm finetune encoder --classify --data open.csv --out x --json
printf 'words,label\nthe cat,cat\nthe rat,rat\n' >other.csv
fails 1 "other.csv line 2" lm finetune encoder --classify --data other.csv --out x --json
# decoders read a text's last token
keys "trained classes val_accuracy $told" lm finetune base --classify --data labels.jsonl --steps 60 --lr 0.01 --batch-size 8 --out sorter
[ "$(number val_accuracy)" = 1.0 ] || wrong "a decoder, cat or rat: $(cat out)"
grep -q '"LlamaForSequenceClassification"' sorter/config.json || wrong "not a classifier: $(cat sorter/config.json)"
"$weft" info sorter | grep -q 'logits \[B, 2\]' || wrong "no classes: $("$weft" info sorter)"
keys "val_accuracy" lm finetune sorter --classify --data labels.jsonl --steps 1 --lr 1e-9 --batch-size 8 --out sorted
[ "$(number val_accuracy)" = 1.0 ] || wrong "a decoder, cat or rat, read again: $(cat out)"
fails 1 "is a classifier" lm generate sorter --prompt the --json
fails 1 "is a classifier" lm finetune sorter --data text.txt --out x --json
fails 2 "--classify and --dpo exclude" lm finetune base --classify --dpo --data labels.jsonl --out x --json
sed 's/single_label_classification/regression/' sorter/config.json >number.json
cp -r sorter number
mv number.json number/config.json
fails 1 "labels.jsonl line 1: label: expected a list of numbers, 2 of them" lm finetune number --classify --data labels.jsonl --out x --json
fails 1 "--problem-type single_label_classification: the head of number has the problem_type regression" lm finetune number --classify \
    --problem-type single_label_classification --data labels.jsonl --out x --json
fails 2 "wants --classify beside it" lm finetune base --problem-type regression --data labels.jsonl --out x --json
cat >roberta.json <<'END'
{"model_type": "roberta", "vocab_size": 16, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
 "num_attention_heads": 2, "max_position_embeddings": 34, "pad_token_id": 1}
END
cat >distilbert.json <<'END'
{"model_type": "distilbert", "vocab_size": 16, "dim": 16, "hidden_dim": 24, "n_layers": 1, "n_heads": 2, "max_position_embeddings": 32}
END
for family in roberta distilbert; do
    keys "$told" lm train --data text.txt --tokenizer pieces --config $family.json --length 32 --steps 10 --lr 0.01 --batch-size 4 --out $family
    keys "val_accuracy" lm finetune $family --classify --data labels.jsonl --steps 60 --lr 0.01 --batch-size 8 --out $family-labels
    [ "$(number val_accuracy)" = 1.0 ] || wrong "$family, cat or rat: $(cat out)"
    "$weft" info $family-labels >out || wrong "the $family classifier does not open"
done
# an adapter that brings the head: of a base that has none, of one that has; worked into the weights it classifies as before
for family in base encoder roberta distilbert sorter; do
    keys "trained classes val_accuracy $told" lm finetune $family --classify --lora --rank 2 --data labels.jsonl --steps 60 --lr 0.02 \
        --batch-size 8 --out $family-lora
    [ "$(number val_accuracy)" = 1.0 ] || wrong "$family with an adapter, cat or rat: $(cat out)"
    grep -q '"0": "cat"' $family-lora/classes.json || wrong "no names of classes: $(cat $family-lora/classes.json)"
    grep -q '"SEQ_CLS"' $family-lora/adapter_config.json || wrong "no task: $(cat $family-lora/adapter_config.json)"
    "$weft" lm merge $family --adapter $family-lora --out $family-merged --json >out || wrong "$family: no merge"
    grep -q '"1": "rat"' $family-merged/config.json || wrong "no names of classes: $(cat $family-merged/config.json)"
    keys "val_accuracy" lm finetune $family-merged --classify --data labels.jsonl --steps 1 --lr 1e-9 --batch-size 8 --out same --force
    [ "$(number val_accuracy)" = 1.0 ] || wrong "$family merged, cat or rat: $(cat out)"
done
fails 1 "records" lm finetune classifier --classify --data text.txt --out x --json
fails 1 "no head for masked words" lm finetune classifier --data text.txt --out x --json

# mistakes: on the command line, then in files
fails 2 "--data" lm train --tokenizer words --config tiny.json --out x --json
fails 2 "gpt2" lm train --data text.txt --tokenizer words --arch rnn --out x --json
fails 2 "--steps and --epochs exclude each other" lm train --data text.txt --tokenizer words --config tiny.json --steps 1 --epochs 1 --out x --json
fails 2 "--warmup 9 is more than --steps 3" lm train --data text.txt --tokenizer words --config tiny.json --steps 3 --warmup 9 --out x --json
fails 2 "--prompt, line 1" lm finetune base --data text.txt --prompt '{{ x' --out x --json
fails 2 "--target-regex: " lm finetune base --data text.txt --lora --target-regex '(' --out x --json
fails 2 "wants --lora beside it" lm finetune base --data text.txt --rank 4 --out x --json
fails 2 "wants --teacher beside it" lm finetune base --data text.txt --temperature 2 --out x --json
fails 2 "--dpo and --teacher exclude each other" lm finetune base --data text.txt --dpo --teacher wide --out x --json
fails 2 "temperature" lm finetune base --data text.txt --teacher wide --temperature 0 --out x --json
fails 2 "teacher-weight" lm finetune base --data text.txt --teacher wide --teacher-weight 1.5 --out x --json
: >empty.txt
: >empty.jsonl
echo '{"question": 1}' >other.jsonl
echo '{"text": ' >broken.jsonl
fails 1 "missing.txt" lm finetune base --data missing.txt --out x --json
fails 1 "empty.txt" lm finetune base --data empty.txt --out x --json
fails 1 "empty.jsonl" lm finetune base --data empty.jsonl --out x --json
fails 1 "other.jsonl" lm finetune base --data other.jsonl --out x --json
fails 1 "within 64 tokens" lm finetune base --data records.jsonl --out x --json
fails 1 "broken.jsonl" lm finetune base --data broken.jsonl --out x --json
fails 1 "nowhere" lm finetune nowhere --data text.txt --out x --json
fails 1 "nowhere" lm finetune base --data text.txt --teacher nowhere --out x --json
fails 1 "context is 64 tokens" lm finetune base --data text.txt --length 65 --out x --json
fails 1 "--force" lm finetune base --data records.jsonl --prompt "{{ instruction }}" --steps 10 --out tuned --json
fails 1 "--force" lm train --data text.txt --tokenizer words --config tiny.json --steps 1 --out base --json
sed 's/llama/rnn/' tiny.json >rnn.json
fails 1 "\"model_type\" is \"rnn\"" lm train --data text.txt --tokenizer words --config rnn.json --out x --json
sed 's/280/270/' tiny.json >few.json
fails 1 "past the model's vocabulary of 270" lm train --data text.txt --tokenizer words --config few.json --length 16 --out x --json
sed 's/280/290/' tiny.json >more.json
"$weft" lm train --data text.txt --tokenizer words --config more.json --length 16 --steps 1 --out more --json >out || wrong "more"
fails 1 "the teacher's vocabulary has 290 tokens" lm finetune base --data text.txt --length 16 --teacher more --out x --json
fails 1 "adapter/adapter_model.safetensors: base_model" lm merge wide --adapter adapter --out x --json
[ -e x/model.safetensors ] && wrong "a failed command left a model"

exit $bad
