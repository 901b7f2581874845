#!/bin/sh
# Texts that come through a pipe are those of a file or of the command line; broken UTF-8 is repaired and said; a tokenizer that does
# not fit its model is refused where it is larger, and where it is smaller no row without a token is ever drawn.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

# same FILE WORDS…: succeeds and says what FILE holds
same() {
    file=$1
    shift
    works "$@"
    cmp -s out "$file" || wrong "weft $*: \"$(head -c 300 out)\", expected \"$(head -c 300 "$file")\""
}

for i in 1 2 3 4 5 6; do
    echo "the cat sat on the mat and the rat sat on the cat, said the cat of number $i"
done >text.txt
works lm tokenizer text.txt --vocab-size 270 --out words
cat >tiny.json <<'END'
{"model_type": "llama", "vocab_size": 280, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}
END
works lm train --data text.txt --tokenizer words --config tiny.json --length 16 --steps 5 --lr 0.01 --out model

# one prompt, whole, but for its last line end; many, one a line
printf 'the cat\nsat on' >prompt
works lm generate model --prompt "$(cat prompt)" --tokens 6
cp out wanted
same wanted lm generate model --prompt - --tokens 6 <prompt
{ cat prompt && echo; } >closed
same wanted lm generate model --prompt - --tokens 6 <closed
printf 'the cat\r\nsat on\nthe rat\n' >lines
works lm generate model --file lines --tokens 6 --json
sed 's/"tokens_per_second".*//' out >wanted
"$weft" lm generate model --file - --tokens 6 --json <lines | sed 's/"tokens_per_second".*//' | cmp -s - wanted || wrong "lines through a pipe"
fails 1 "standard input: holds no prompt" lm generate model --file - </dev/null
works lm tokenize words --text "the cat" --json
cp out wanted
echo "the cat" | "$weft" lm tokenize words --text - --json | cmp -s - wanted || wrong "lm tokenize --text -"
echo '{"text": "the cat"}' | "$weft" lm tokenize words --file - --json | cmp -s - wanted || wrong "lm tokenize --file -"
printf '\nbroken\n' | "$weft" lm tokenize words --file - >out 2>err && wrong "a line that is no JSON is taken"
grep -q "^weft: standard input line 2" err || wrong "the line of a pipe: $(cat err)"
works lm perplexity model --file text.txt --json
sed 's/"tokens_per_second".*//' out >wanted
"$weft" lm perplexity model --file - --json <text.txt | sed 's/"tokens_per_second".*//' | cmp -s - wanted || wrong "lm perplexity --file -"
echo '{"logits": [1, 2, 3], "u": [0.5]}' >case.jsonl
works lm sample --file case.jsonl --json
cp out wanted
same wanted lm sample --file - --json <case.jsonl
echo '{"messages": [{"role": "user", "content": "Hi"}]}' >talk.jsonl
works lm chat-template words --template chatml --file talk.jsonl
cp out wanted
same wanted lm chat-template words --template chatml --file - <talk.jsonl

# broken UTF-8: U+FFFD and a warning, from the command line as from a file
works lm generate model --prompt "$(printf 'the \377 cat')" --tokens 3 --json
grep -q "^weft: .*U+FFFD" err || wrong "a broken prompt gave no warning: $(cat err)"
sed 's/"tokens_per_second".*//' out >wanted
"$weft" lm generate model --prompt "the $(printf '\357\277\275') cat" --tokens 3 --json 2>err | sed 's/"tokens_per_second".*//' | cmp -s - wanted ||
    wrong "broken UTF-8 is not U+FFFD"
grep -q "U+FFFD" err && wrong "U+FFFD itself is nothing broken"

# ten rows of the embedding have no token: none is drawn, however flat the odds
works lm generate model --prompt "the" --tokens 60 --temperature 1000 --ignore-eos --json
tr -d '[] ' <out | sed 's/.*"ids"://; s/"prompt_tokens".*//' | tr ',' '\n' | awk '$1 >= 270 { exit 1 }' || wrong "a row without a token was drawn: $(cat out)"
# nor one between two tokens
mkdir holes
cp model/* holes/
sed 's/"added_tokens": *\[/&{"id": 279, "content": "<far>", "special": false},/' words/tokenizer.json >holes/tokenizer.json
works lm tokenize holes --text "<far>" --no-special --json
grep -q '"ids": \[279\]' out || wrong "a token behind a hole: $(cat out)"
works lm generate holes --prompt "the" --tokens 60 --temperature 1000 --ignore-eos --json
tr -d '[] ' <out | sed 's/.*"ids"://; s/"prompt_tokens".*//' | tr ',' '\n' | awk '$1 >= 270 && $1 != 279 { exit 1 }' || wrong "a hole was drawn: $(cat out)"
works lm generate holes --ids 1,275 --tokens 3 --json

# a text with zero bytes is told whole
echo '{"text": "\u0000"}' >zero.jsonl
works lm tokenize words --file zero.jsonl --no-special --json
zero=$(sed 's/.*"ids": \[\([0-9]*\)\].*/\1/' out)
echo "{\"logit_bias\": {\"$zero\": 1000}}" >holes/generation_config.json
works lm generate holes --prompt "the" --tokens 3 --json
grep -q '"text": "\\u0000\\u0000\\u0000"' out || wrong "zero bytes in a text: $(cat out)"
[ "$("$weft" lm generate holes --prompt "the" --tokens 3 | wc -c)" = 4 ] || wrong "zero bytes on standard output"
echo '{"messages": [{"role": "user", "content": "a\u0000b"}]}' >talk.jsonl
fails 1 "talk.jsonl line 1: line 1 column 52: a text with a zero character" lm chat-template words --template chatml --file talk.jsonl

# a filter without a temperature is idle, and that is said
works lm generate model --prompt "the" --tokens 3 --top-p 0.5
grep -q "^weft: --top-p changes nothing at temperature 0" err || wrong "an idle filter: $(cat err)"
works lm generate model --prompt "the" --tokens 3 --top-p 0.5 --temperature 0.7
grep -q "changes nothing" err && wrong "a filter at work is called idle"

# a tokenizer larger than the embedding
mkdir small
cp words/* small/
sed 's/280/260/' tiny.json >few.json
head -c 300 text.txt | tr -cd 'a-z \n' >plain.txt
works lm tokenizer plain.txt --vocab-size 258 --out fewer
works lm train --data plain.txt --tokenizer fewer --config few.json --length 16 --steps 1 --val-share 0 --out small --force
cp words/tokenizer.json words/tokenizer_config.json small/
fails 1 "small: the tokenizer has 270 tokens, the model's embedding 260 rows" lm generate small --prompt a
fails 1 "the tokenizer has 270 tokens" lm perplexity small --file text.txt
fails 1 "the tokenizer has 270 tokens" lm check small --json

exit $bad
