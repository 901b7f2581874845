#!/bin/sh
# Language models from a shell: what is wrong usage, what is wrong in a folder, and, where the reference model is there
# (WEFT_DATA), its stories, stops, batches and perplexity.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

# says PIECE WORDS…: succeeds, and standard output holds the piece
says() {
    piece=$1
    shift
    "$weft" "$@" >out 2>err || wrong "weft $*: $(cat err)"
    grep -qF -e "$piece" out || wrong "weft $*: does not print \"$piece\" but \"$(head -c 600 out)\""
}

mkdir model
fails 2 "give --prompt TEXT, --ids 1,2,3 or --file F.txt" lm generate model
fails 2 "exclude each other" lm generate model --prompt a --ids 1
fails 2 "--ids has \"x\"" lm generate model --ids 1,x
fails 2 "--ids has \"-3\"" lm generate model --ids=1,-3
fails 2 "tokens" lm generate model --prompt a --tokens 0
fails 2 "top-p" lm generate model --prompt a --top-p 1.5
fails 2 "--top-p takes a number above 0" lm generate model --prompt a --top-p 0
fails 2 "--typical-p takes a number above 0" lm generate model --prompt a --typical-p 0
fails 2 "did you mean --temperature" lm generate model --prompt a --temprature 1
fails 2 "--stride 9 is more than --window 8" lm perplexity model --ids 1,2 --window 8 --stride 9
fails 2 "give --file F.txt or --ids 1,2,3" lm perplexity model
fails 1 "config.json" lm generate model --prompt a
fails 1 "nowhere: there is no such folder" lm generate nowhere --prompt a
echo '{"model_type": "rnn"}' >model/config.json
fails 1 "\"model_type\" is \"rnn\"; language models are gpt2, gpt_neox, llama" lm generate model --ids 1
fails 1 "this build knows" info model
echo '{"model_type": "gpt2", "n_embd": 30, "n_head": 4}' >model/config.json
fails 1 "\"n_embd\" is 30 and \"n_head\" 4: expected a multiple of it" info model
echo '{"model_type": "gpt2"}' >model/config.json
says 124439808 info model
says '"parameters": 124439808' info model --json
fails 1 "model.safetensors" lm generate model --ids 1

# the sampler on given logits: names of settings are its own, numbers in their ranges
echo '{"logits": [1, 2, 3], "settings": {"top_k": 2, "temperature": 1}, "u": [0.1, 0.9]}' >case.jsonl
says '"drawn": [1, 2], "greedy": 2' lm sample --file case.jsonl --json
echo '{"logits": [1, 2, 3], "settings": {"temprature": 0.5}}' >case.jsonl
fails 1 'case.jsonl line 1: there is no setting "temprature"; did you mean temperature?' lm sample --file case.jsonl
echo '{"logits": [1, 2, 3], "settings": {"beams": 4}}' >case.jsonl
fails 1 'there is no setting "beams"; known are temperature, top_k' lm sample --file case.jsonl
echo '{"logits": [1, 2, 3], "settings": {"top_p": 1.5}}' >case.jsonl
fails 1 "case.jsonl line 1: top_p is 1.5" lm sample --file case.jsonl

stories=${WEFT_DATA:-$source/../shared/data}/lm/stories260K
if [ ! -d "$stories" ]; then
    echo "no $stories (set WEFT_DATA): the rest is skipped"
    exit $bad
fi

says "Once upon a time, there was a little girl named Lily. She loved to play outside in the park." \
    lm generate "$stories" --prompt "" --tokens 60
says '"ids": [403, 407, 261, 378, 432' lm generate "$stories" --ids 1 --tokens 8 --json
cp "$stories/config.json" "$stories/model.safetensors" model/
[ "$("$weft" lm generate model --ids 1 --tokens 5)" = 403,407,261,378,432 ] || wrong "tokens without a tokenizer"
fails 1 "there is no tokenizer.json here" lm generate model --prompt a
says '"logits_hash": ' lm check "$stories" --json
says '"finish_reason": "length"' lm generate "$stories" --ids 1 --tokens 8 --json
says '"text": " She loved to play outside", ' lm generate "$stories" --json --stop " in the" \
    --prompt "Once upon a time, there was a little girl named Lily."
says '"finish_reason": "stop"' lm generate "$stories" --json --stop " in the" \
    --prompt "Once upon a time, there was a little girl named Lily."
fails 1 "token 512 at place 1 is not among the model's 0 to 511" lm generate "$stories" --ids 1,512

# the same seed gives the same text, another one another; a prompt alone or in a file of prompts, one thread or two: the same
one=$("$weft" lm generate "$stories" --prompt "The dog" --tokens 40 --temperature 1 --seed 5 --threads 1)
two=$("$weft" lm generate "$stories" --prompt "The dog" --tokens 40 --temperature 1 --seed 5 --threads 2)
other=$("$weft" lm generate "$stories" --prompt "The dog" --tokens 40 --temperature 1 --seed 6)
[ "$one" = "$two" ] || wrong "two threads give another text"
[ "$one" != "$other" ] || wrong "another seed gives the same text"
printf 'The dog\nOnce upon a time, there was a big\nA\n' >prompts
"$weft" lm generate "$stories" --file prompts --tokens 20 >together || wrong "several prompts failed"
while IFS= read -r prompt; do
    "$weft" lm generate "$stories" --prompt "$prompt" --tokens 20
    echo ---
done <prompts | sed '$d' >alone
cmp -s alone together || wrong "prompts together and alone differ: $(diff alone together)"

head -c 3000 "$source/LICENSE" >text
says '"scored": ' lm perplexity "$stories" --file text --window 64 --stride 32 --json
says '"bits_per_byte": ' lm perplexity "$stories" --file text --json
true >nothing
fails 1 "nothing: the text is empty" lm perplexity "$stories" --file nothing --no-special
fails 1 "nothing: the text is empty" lm perplexity "$stories" --file nothing
says '"scored": 3,' lm perplexity "$stories" --ids 1,403,407,261 --json
printf 'broken \377 text' >broken
"$weft" lm perplexity "$stories" --file broken >out 2>err || wrong "broken UTF-8 failed"
grep -q "U+FFFD" err || wrong "broken UTF-8 gave no warning"

exit $bad
