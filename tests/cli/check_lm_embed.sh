#!/bin/sh
# Vectors of texts from a shell: the same in every form of file, alone and in company; folders of sentence-transformers; every
# mistake with its line.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

# vector FILE LINE: the numbers of a line of a .csv, a line each
vector() {
    sed -n "$(($2 + 1))p" "$1" | tr ',' '\n'
}

# near FILE FILE: numbers, a line each, within 1e-6
near() {
    paste "$1" "$2" | awk 'NF != 2 || ($1 - $2) ^ 2 > 1e-12 { exit 1 } END { exit NR == 0 }'
}

# shellcheck source=tests/cli/tiny_encoder.sh
. "$source/tests/cli/tiny_encoder.sh"
works lm train --data encoder.txt --tokenizer pieces --config encoder.json --length 32 --steps 3 --lr 0.01 --out model

# the same vectors in every form; of length 1; the same bits whatever stands beside them
printf 'the cat\n\nthe cat sat on the mat\nrat\nthe rat said number of\n' >lines.txt
works lm embed model --data lines.txt --out vectors.csv
holds "4 vectors of 16 numbers in vectors.csv (pooling: mean, length 1)"
[ "$(head -n 1 vectors.csv | cut -d , -f 1,2,16)" = e0,e1,e15 ] || wrong "header: $(head -n 1 vectors.csv)"
[ "$(wc -l <vectors.csv)" -eq 5 ] || wrong "not four lines and a header"
awk -F, 'NR > 1 { s = 0; for (i = 1; i <= NF; i++) s += $i * $i; if (s < 0.99999 || s > 1.00001) exit 1 }' vectors.csv || wrong "length"
works lm embed model --data lines.txt --out again.csv --batch-size 1 --threads 2
cmp -s vectors.csv again.csv || wrong "another batch, another vector"
echo "rat" | "$weft" lm embed model --data - --out one.csv >out 2>err || wrong "through a pipe: $(cat err)"
vector vectors.csv 3 >wanted
vector one.csv 1 | cmp -s - wanted || wrong "alone: $(cat one.csv)"
works lm embed model --text rat --json
sed 's/.*"embedding": \[//; s/\].*//' out | tr -d ' ' | tr ',' '\n' | near - wanted || wrong "as JSON: $(cat out)"
works lm embed model --data lines.txt --out vectors.jsonl
sed -n 3p vectors.jsonl | sed 's/.*\[//; s/\].*//' | tr -d ' ' | tr ',' '\n' | near - wanted || wrong "as JSON lines"
works lm embed model --data lines.txt --out vectors.npy --json
holds '"rows": 4, "width": 16, "pooling": "mean", "normalized": true'
tail -c 256 vectors.npy | od -An -v -t f4 -w4 | sed -n 33,48p | tr -d ' ' | near - wanted || wrong "as NPY"
works lm embed model --data lines.txt --out vectors.safetensors
tail -c 256 vectors.safetensors >data
tail -c 256 vectors.npy | cmp -s - data || wrong "as safetensors"
grep -aq '"embeddings"' vectors.safetensors || wrong "the name of the tensor"

# poolings are what they are called: a single token between [CLS] and [SEP]
for kind in mean cls last max; do
    works lm embed model --text rat --pooling $kind --normalize no --out $kind.csv --force
    vector $kind.csv 1 >$kind
done
cmp -s mean cls && wrong "the mean is the first token"
fails 1 "model: this bert model has no pooler" lm embed model --text rat --pooling pooler --json
printf 'text,label\nthe cat,1\nthe rat,2\nthe cat sat,1\nthe rat sat,2\n' >labels.csv
works lm finetune model --classify --data labels.csv --val-share 0 --steps 1 --out classifier
works lm embed classifier --text rat --pooling pooler --normalize no --out pooler.csv
vector pooler.csv 1 | awk '$1 < -1 || $1 > 1 || $1 == 0 { exit 1 }' || wrong "the pooler ends in tanh"
paste cls last max | awk '$3 < $1 - 1e-6 || $3 < $2 - 1e-6 { exit 1 }' || wrong "the largest number is below another"
works lm embed model --text "rat" --prefix "the " --out prefix.csv
works lm embed model --text "the rat" --out whole.csv
cmp -s prefix.csv whole.csv || wrong "a prefix"
works lm embed model --text "the cat" --pair "the rat" --out pair.csv
vector pair.csv 1 >pair
vector whole.csv 1 | cmp -s - pair && wrong "a pair is its second text"

# what sentence-transformers writes beside a model
cp -r model sentence
mkdir sentence/1_Pooling
echo '[{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
 {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]' >sentence/modules.json
echo '{"word_embedding_dimension": 16, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}' >sentence/1_Pooling/config.json
echo '{"max_seq_length": 5}' >sentence/sentence_bert_config.json
works lm embed sentence --text rat --out sentence.csv
holds "(pooling: cls)"
vector sentence.csv 1 | cmp -s - cls || wrong "not what 1_Pooling says"
works lm embed sentence --text "the cat sat on" --out cut.csv
grep -q "^weft: 1 text is longer" err || wrong "max_seq_length is not obeyed: $(cat err)"
works lm embed sentence --text "the cat sat" --out fits.csv
cmp -s cut.csv fits.csv || wrong "a text cut to five tokens"
works lm embed sentence --text rat --pooling mean --normalize yes --out over.csv
vector over.csv 1 | cmp -s - wanted || wrong "--pooling and --normalize do not count"
echo '{"pooling_mode": "lasttoken"}' >sentence/1_Pooling/config.json
works lm embed sentence --text rat --out sentence.csv --force
vector sentence.csv 1 | cmp -s - last || wrong "not what a newer 1_Pooling says"
echo '{"pooling_mode_weightedmean_tokens": true}' >sentence/1_Pooling/config.json
fails 1 "sentence/1_Pooling/config.json: expected one of the poolings mean, cls, lasttoken and max" lm embed sentence --text rat --json
echo '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}' >sentence/1_Pooling/config.json
fails 1 "expected one of the poolings" lm embed sentence --text rat --json
works lm embed sentence --text rat --pooling max --json
echo '[{"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}]' >sentence/modules.json
fails 1 'module 0 is "sentence_transformers.models.Dense"' lm embed sentence --text rat --json
echo '[{"path": "../1_Pooling", "type": "sentence_transformers.models.Pooling"}]' >sentence/modules.json
fails 1 'module 0 has the path "../1_Pooling"' lm embed sentence --text rat --json
echo '[' >sentence/modules.json
fails 1 "sentence/modules.json" lm embed sentence --text rat --json

# mistakes
fails 2 "say where the vectors go" lm embed model --text rat
fails 2 "ends in .npy, .safetensors, .csv or .jsonl" lm embed model --text rat --out v.txt
fails 2 "give --data F or --text TEXT" lm embed model --out v.npy
fails 2 "pooling" lm embed model --text rat --pooling sum --json
fails 1 "--force" lm embed model --text rat --out vectors.npy
fails 1 "missing.txt" lm embed model --data missing.txt --out v.npy
: >empty.txt
fails 1 "empty.txt: holds no text" lm embed model --data empty.txt --out v.npy
[ -e v.npy ] && wrong "a failed command left a file"
cat >tiny.json <<'END'
{"model_type": "llama", "vocab_size": 280, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
 "num_attention_heads": 2, "max_position_embeddings": 64}
END
works lm tokenizer encoder.txt --vocab-size 270 --out words
works lm train --data encoder.txt --tokenizer words --config tiny.json --length 16 --steps 1 --out decoder
works lm embed decoder --data lines.txt --pooling last --out decoder.npy
fails 1 "decoder: this llama model has no pooler" lm embed decoder --text rat --pooling pooler --json

exit $bad
