#!/bin/sh
# A conversation in a terminal, by a pseudo-terminal of script(1): Ctrl-C ends an answer, each time, and not the conversation; at the
# prompt it takes back what was typed.
weft=$(readlink -f "$1")
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
if ! command -v script >/dev/null; then
    echo "skipped: there is no script(1) here to make a terminal"
    exit 0
fi

echo "the cat sat on the mat and the rat sat on the cat of the mat" >text.txt
cat >config.json <<'END'
{"model_type": "llama", "vocab_size": 300, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 6,
 "num_attention_heads": 4, "max_position_embeddings": 8192, "tie_word_embeddings": true}
END
"$weft" lm tokenizer text.txt --vocab-size 262 --out words >/dev/null &&
    "$weft" lm train --data text.txt --tokenizer words --config config.json --length 8 --steps 1 --val-share 0 --out model >/dev/null ||
    exit 1

mkfifo keys
script -qefc "'$weft' lm generate model --interactive --ignore-eos --tokens 8000 --threads 1; echo ended with \$?" log <keys >/dev/null &
terminal=$!
exec 3>keys

# sends keys; then waits until the log has that many bytes more than before them, or what is said
press() {
    size=$(wc -c <log)
    printf "$1" >&3
}
grows() {
    size=$((size + $1))
    tries=0
    while [ "$(wc -c <log)" -lt "$size" ]; do
        tries=$((tries + 1))
        [ $tries -gt 600 ] && echo "the conversation stands still: $(tail -c 300 log)" && kill $terminal && exit 1
        sleep 0.05
    done
}
shows() {
    tries=0
    while ! grep -qF -e "$1" log; do
        tries=$((tries + 1))
        [ $tries -gt 600 ] && echo "the terminal does not show \"$1\": $(tail -c 300 log)" && kill $terminal && exit 1
        sleep 0.05
    done
}
touch log
shows "> "
press 'what was never sa\003'
shows "/exit ends the conversation"
for i in 1 2; do
    press 'the cat\r'
    grows 60 # it answers
    press '\003'
    grows 3 # ^C, and the prompt again
done
press '/exit\r'
shows "ended with 0"
exec 3>&-
wait $terminal
