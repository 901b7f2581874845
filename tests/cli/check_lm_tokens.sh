#!/bin/sh
# Tokenizers from a shell: learn one, use it, read lines of JSON, and every mistake with its message and exit status.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

# expect STATUS WORDS_ON_STDERR COMMAND…: one line on standard error that holds the words; "" for none
expect() {
    status=$1
    words=$2
    shift 2
    "$weft" "$@" >out 2>err
    got=$?
    [ "$got" -eq "$status" ] || { echo "weft $*: exit status $got, expected $status: $(cat err)"; bad=1; }
    if [ -z "$words" ]; then
        [ ! -s err ] || { echo "weft $*: standard error is \"$(cat err)\""; bad=1; }
    else
        grep -qF -- "$words" err || { echo "weft $*: standard error is \"$(cat err)\", expected \"$words\" in it"; bad=1; }
        [ "$(wc -l <err)" -eq 1 ] || { echo "weft $*: not one line: $(cat err)"; bad=1; }
    fi
}

# same FILE TEXT: the last output is TEXT
same() {
    [ "$(cat out)" = "$1" ] || { echo "standard output is \"$(cat out)\", expected \"$1\""; bad=1; }
}

for i in 1 2 3 4 5 6 7 8 9; do
    echo "the cat sat on the mat and the rat sat on the cat, said the cat of number $i"
done >text.txt
expect 0 "" lm tokenizer text.txt --vocab-size 280 --out words --quiet
expect 0 "" lm tokenize words --text "the cat" --json
"$weft" lm tokenize words --text "the cat" --json | grep -q '"results": \[{"ids": \[[0-9]*, [0-9]*\]}\]' || { echo "the cat: $(cat out)"; bad=1; }
expect 1 "--force" lm tokenizer text.txt --vocab-size 280 --out words --quiet
cp words/tokenizer.json first.json
expect 0 "" lm tokenizer text.txt --vocab-size 280 --out words --quiet --force
cmp -s words/tokenizer.json first.json || { echo "the same text gave another tokenizer"; bad=1; }
expect 0 "the text gives" lm tokenizer text.txt --vocab-size 5000 --out all --json

# a line of JSON a text, with a zero byte, an escape, an empty line and a text alone
printf '%s\n' '{"text": "a\u0000b"}' '' '"\u00e9"' '{"text": "", "other": 1}' >lines.jsonl
expect 0 "" lm tokenize words --file lines.jsonl --json
ids=$(sed 's/.*"results": //' out)
[ "$ids" = '[{"ids": [65, 189, 66]}, {"ids": [128, 103]}, {"ids": []}], "tokens": 5}' ] || { echo "ids are $ids"; bad=1; }
expect 0 "" lm tokenize words --decode 65,66 --json
same '{"vocabulary": 280, "text": "ab"}'
expect 0 "" lm tokenize words --decode 0,65
same '<|endoftext|>a'
expect 0 "" lm tokenize words --decode 0,65 --no-special
same 'a'
expect 0 "" lm tokenize words --text "<|endoftext|>" --json
same '{"vocabulary": 280, "results": [{"ids": [0]}], "tokens": 1}'
"$weft" lm tokenize words --text "<|endoftext|>" --literal --json | grep -q '"ids": \[0\]' && { echo "--literal found a special token"; bad=1; }

# special tokens by their names: an encoder's stand around texts and pairs, and it trains on its words
expect 0 "" lm tokenizer text.txt --vocab-size 270 --special '[PAD],[CLS],[SEP],[MASK]' --out encoder --quiet
expect 0 "" lm tokenize encoder --text a --json
same '{"vocabulary": 270, "results": [{"ids": [1, 68, 2]}], "tokens": 3}'
for part in pad_token cls_token sep_token mask_token; do
    grep -q "\"$part\": \"\[" encoder/tokenizer_config.json || { echo "no $part: $(cat encoder/tokenizer_config.json)"; bad=1; }
done
grep -q eos_token encoder/tokenizer_config.json && { echo "[PAD] ends texts"; bad=1; }
echo '{"model_type": "roberta", "vocab_size": 270, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
 "num_attention_heads": 2, "max_position_embeddings": 34, "pad_token_id": 0}' >config.json
expect 0 "" lm train --data text.txt --tokenizer encoder --config config.json --length 32 --steps 1 --out masked --quiet
expect 0 "" lm embed masked --text the --pair cat --json --quiet
expect 0 "" lm tokenizer text.txt --vocab-size 270 --special '<s>,<pad>,</s>,<mask>' --out roberta --quiet
expect 0 "" lm tokenize roberta --text a --no-special --json
same '{"vocabulary": 270, "results": [{"ids": [68]}], "tokens": 1}'
expect 0 "" lm tokenize roberta --text a --json
same '{"vocabulary": 270, "results": [{"ids": [0, 68, 2]}], "tokens": 3}'

# what is wrong with the command line: 2
expect 2 "one of --text TEXT" lm tokenize words
expect 2 "whole numbers from 0 on" lm tokenize words --decode 65,-1
expect 2 "not several" lm tokenize words --text a --decode 1
expect 2 "whole numbers" lm tokenize words --decode 1,x
expect 2 "--vocab-size takes" lm tokenizer text.txt --vocab-size 12 --out none
expect 2 "--vocab-size 257" lm tokenizer text.txt --vocab-size 257 --special a,b --out none
expect 2 "llama3" lm tokenizer text.txt --vocab-size 300 --pattern llama --out none

# what is wrong in files: 1, with the place
expect 1 "nowhere" lm tokenize nowhere --text a
mkdir empty
expect 1 "tokenizer.json, tokenizer.model" lm tokenize empty --text a
expect 1 "700 is no token" lm tokenize words --decode 700
echo '{"txt": "a"}' >>lines.jsonl
expect 1 "lines.jsonl line 5" lm tokenize words --file lines.jsonl
printf '{"text": "a"}\n{"text": \n' >lines.jsonl
expect 1 "lines.jsonl line 2" lm tokenize words --file lines.jsonl
[ ! -s out ] || [ -z "$("$weft" lm tokenize words --file lines.jsonl --json 2>/dev/null)" ] || { echo "half an answer"; bad=1; }
printf '{"text": "a\377b"}\n' >lines.jsonl
expect 0 "read as U+FFFD" lm tokenize words --file lines.jsonl --json
expect 0 "read as U+FFFD" lm tokenize words --text "$(printf 'a\377')" --json
expect 1 "absent.txt" lm tokenizer absent.txt --vocab-size 300 --out none --quiet
[ ! -e none ] || { echo "a failed command left a folder"; bad=1; }
mkdir broken
echo '{"model": {"type": "LSTM"}}' >broken/tokenizer.json
expect 1 'broken/tokenizer.json: model: unknown type "LSTM"; known are BPE, Unigram, WordPiece, WordLevel' lm tokenize broken --text a
head -c 300 words/tokenizer.json >broken/tokenizer.json
expect 1 "broken/tokenizer.json: line" lm tokenize broken --text a
exit $bad
