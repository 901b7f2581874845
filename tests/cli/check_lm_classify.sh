#!/bin/sh
# Classifiers from a shell: what one that was trained here says of texts from files, pipes and the command line, as a table, as JSON
# and for people; alone and in company; with an adapter; every kind of head; metrics; and every mistake with its line.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"

# shellcheck source=tests/cli/tiny_encoder.sh
. "$source/tests/cli/tiny_encoder.sh"
works lm train --data encoder.txt --tokenizer pieces --config encoder.json --length 32 --steps 2 --out encoder
for i in 1 2 3 4 5 6 7 8 9 10; do
    echo '{"text": "the cat sat on the mat", "label": "a, cat"}'
    echo '{"text": "and the rat sat on the mat of the rat", "label": "rat"}'
    echo '{"text": "number of", "label": "none"}'
done >labels.jsonl
works lm finetune encoder --classify --data labels.jsonl --steps 200 --lr 0.01 --batch-size 8 --out classifier

# a table, a line a text, with every class; the same alone, in any batch, on two threads, as JSON lines and from a table
works lm classify classifier --data labels.jsonl --out answers.csv --batch-size 4
holds "accuracy           1"
holds "30 answers in answers.csv"
[ "$(head -n 1 answers.csv)" = 'prediction,"p_a, cat",p_none,p_rat' ] || wrong "header: $(head -n 1 answers.csv)"
[ "$(wc -l <answers.csv)" -eq 31 ] || wrong "$(wc -l <answers.csv) lines of 30 texts"
[ "$(grep -c '^"a, cat",' answers.csv)" -eq 10 ] || wrong "ten texts of cats: $(cat answers.csv)"
awk -F, 'NR == 3 { s = $2 + $3 + $4; exit !(s > 0.999999 && s < 1.000001 && $4 > $2 && $4 > $3) }' answers.csv || wrong "probabilities"
works lm classify classifier --data labels.jsonl --out other.csv --batch-size 30 --threads 2
cmp -s answers.csv other.csv || wrong "another batch, another answer"
sed -n 2p labels.jsonl >one.jsonl
works lm classify classifier --data one.jsonl --out -
tail -n 1 out >one
sed -n 3p answers.csv | cmp -s - one || wrong "alone: $(cat one)"
works lm classify classifier --data - --out - <one.jsonl
tail -n 1 out | cmp -s - one || wrong "from standard input: $(cat out)"
echo "and the rat sat on the mat of the rat" | "$weft" lm classify classifier --data - --out - | tail -n 1 | cmp -s - one || wrong "a line"
printf 'text,more\n"and the rat sat on the mat of the rat",1\n' >one.csv
works lm classify classifier --data one.csv --out - && tail -n 1 out | cmp -s - one || wrong "a table: $(cat out)"
works lm classify classifier --data labels.jsonl --out answers.jsonl --json
holds '"metrics": {"rows": 30, "accuracy": 1.0, "logloss": '
holds '"confusion": [[10, 0, 0], [0, 10, 0], [0, 0, 10]]'
holds '{"label": "rat", "score": 0.' answers.jsonl
[ "$(wc -l <answers.jsonl)" -eq 30 ] || wrong "answers.jsonl"
fails 1 "--force" lm classify classifier --data labels.jsonl --out answers.csv
works lm classify classifier --data labels.jsonl --out answers.csv --force
works lm classify classifier --text "the cat sat"
[ "$(wc -l <out)" -eq 1 ] && holds "a, cat 0."
works lm classify classifier --text "the cat sat" --top-k 0
[ "$(awk -F '\t' '{ print NF }' out)" = 3 ] || wrong "three classes: $(cat out)"
works lm classify classifier --text "the cat sat" --json --top-k 2
holds '"results": [{"label": "a, cat", "score": 0.'
[ "$(grep -o '"score"' out | wc -l)" -eq 3 ] || wrong "the likeliest and two: $(cat out)"
holds '"rows": 1'

# labels: a class's number; some without; wrong ones
printf '%s\n' '{"text": "the cat", "label": 0}' '{"text": "rat"}' '{"text": "rat of", "label": null}' >some.jsonl
works lm classify classifier --data some.jsonl --json
holds '"metrics": {"rows": 1,'
holds '"rows": 3'
echo '{"text": "and the rat sat on the mat of the rat", "label": 2}' | "$weft" lm classify classifier --data - --json >out 2>err
holds '"accuracy": 1.0'
echo '{"text": "the cat", "label": "dog"}' >dog.jsonl
fails 1 'dog.jsonl line 1: label "dog" is none of the classifier' lm classify classifier --data dog.jsonl --out dog.csv
[ -e dog.csv ] && wrong "a failed run left a table"

# texts too long are cut, and the end token stays
long="cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat cat"
works lm classify classifier --text "$long" --logits --json
cp out whole
grep -q "1 text is longer" err || wrong "nobody says that a text was cut: $(cat err)"
works lm classify classifier --text "$(echo "$long" | cut -c 1-119)" --logits --json # 30 words and what stands around them
[ -s err ] && wrong "30 words fit: $(cat err)"
cmp -s out whole || wrong "cut at 32 tokens and 32 tokens differ"
fails 1 "the model's context is 32 tokens" lm classify classifier --text a --length 33
fails 1 "no room for a text" lm classify classifier --text a --length 2

# heads that answer otherwise: each class by itself, a number
head_of() {
    cp -r classifier "$1"
    sed "s/single_label_classification/$2/" classifier/config.json >"$1/config.json"
}
head_of several multi_label_classification
printf '%s\n' '{"text": "the cat sat on the mat", "labels": ["a, cat"]}' '{"text": "number of", "labels": [0, 1, 0]}' >several.jsonl
works lm classify several --data several.jsonl --json
holds '"problem_type": "multi_label_classification"'
holds '"labels": ["a, cat"]'
holds '"metrics": {"rows": 2, "accuracy": '
# what is told of them, reckoned again from the probabilities: truths by name, by number and as numbers a class
cat >truths <<'END'
1 0 0
0 1 0
1 0 1
0 0 0
0 1 1
1 1 0
END
printf '%s\n' '{"text": "the cat sat on the mat", "labels": ["a, cat"]}' '{"text": "number of", "labels": [1]}' \
    '{"text": "and the rat sat", "labels": ["rat", "a, cat"]}' '{"text": "the mat", "labels": []}' \
    '{"text": "of number", "labels": [0, 1, 1]}' '{"text": "cat and rat", "labels": [1.0, 1.0, 0.0]}' >several.jsonl
works lm classify several --data several.jsonl --threshold 0.4 --out several.out.csv --json
sed 1d several.out.csv | awk -F, '{ print $(NF - 2), $(NF - 1), $NF }' | paste -d ' ' - truths | awk '
    { right = 1
      for (k = 1; k <= 3; k++) {
          says = $k > 0.4; is = $(k + 3) == 1
          hits[k] += says && is; said[k] += says; there[k] += is
          loss -= is ? log($k) : log(1 - $k)
          if (says != is) right = 0
      }
      whole += right }
    END { for (k = 1; k <= 3; k++) {
              h += hits[k]; s += said[k]; t += there[k]
              if (said[k] + there[k]) { macro += 2 * hits[k] / (said[k] + there[k]); n++ }
          }
          print whole / NR; print 2 * h / (s + t); print macro / n; print loss / (3 * NR) }' >reckoned
for key in accuracy micro_f1 macro_f1 logloss; do
    sed -n "s/.*\"$key\": \([0-9.e-]*\).*/\1/p" out
done | paste reckoned - | awk 'NF != 2 || ($1 - $2) ^ 2 > 1e-9 { exit 1 } END { exit NR != 4 }' ||
    wrong "metrics of several labels: $(cat out), reckoned again $(cat reckoned)"
printf 'text,label\nthe cat sat on the mat,"a, cat|rat"\n' >several.csv
works lm classify several --data several.csv --threshold 0 --out - && tail -n 1 out | grep -q '^"a, cat|none|rat",' || wrong "$(cat out)"
printf 'text,label\nthe cat,cow\n' >cow.csv
fails 1 "cow.csv line 2: label \"cow\" is none of the classifier's 3" lm classify several --data cow.csv
head_of numbers regression
echo '{"text": "the cat", "label": [1, 2, 3]}' >numbers.jsonl
works lm classify numbers --data numbers.jsonl --json
holds '"metrics": {"rows": 3, "rmse": '
works lm classify classifier --text "the cat" --logits --top-k 0 --json
grep -o '"score": [-0-9.e]*' out | tail -n 3 | sort >logits
works lm classify numbers --text "the cat" --json
grep -o '"score": [-0-9.e]*' out | sort | cmp -s - logits || wrong "numbers are the head's own: $(cat out logits)"
works lm classify numbers --data numbers.jsonl --out -
[ "$(head -n 1 out)" = 'prediction_a, cat,prediction_none,prediction_rat' ] ||
    [ "$(head -n 1 out)" = '"prediction_a, cat",prediction_none,prediction_rat' ] || wrong "header of numbers: $(head -n 1 out)"
fails 1 "expected a list of numbers" lm classify numbers --data labels.jsonl

# every kind of head is trained from its labels, and judged by the same file; the same from a table, whose cells part labels by |
for i in 1 2 3 4 5 6 7 8 9 10; do
    echo '{"text": "the cat sat on the mat", "label": ["cat", "mat"]}'
    echo '{"text": "and the rat sat", "label": ["rat"]}'
    echo '{"text": "number of", "label": []}'
done >kinds.jsonl
works lm finetune encoder --classify --data kinds.jsonl --steps 200 --lr 0.02 --batch-size 8 --out kinds --json
holds '"problem_type": "multi_label_classification", "val_accuracy": 1.0, "val_micro_f1": 1.0, "val_macro_f1": 1.0'
holds '"problem_type": "multi_label_classification"' kinds/config.json
holds '"1": "mat"' kinds/config.json
holds '"val_micro_f1"' kinds/metrics.jsonl
works lm classify kinds --data kinds.jsonl --json
holds '"metrics": {"rows": 30, "accuracy": 1.0, "micro_f1": 1.0'
works lm classify kinds --data kinds.jsonl --out - && sed -n 2p out | grep -q '^"\{0,1\}cat|mat' || wrong "two labels: $(cat out)"
{
    echo text,label
    for i in 1 2 3 4 5 6 7 8 9 10; do
        printf '%s\n' 'the cat sat on the mat,cat|mat' 'and the rat sat,rat' 'number of,'
    done
} >kinds.csv
works lm finetune encoder --classify --data kinds.csv --steps 200 --lr 0.02 --batch-size 8 --out kinds-table --json
holds '"val_micro_f1": 1.0'
cmp -s kinds/model.safetensors kinds-table/model.safetensors || wrong "the same labels from a table make another model"
works lm classify kinds-table --data kinds.csv --json
holds '"metrics": {"rows": 30, "accuracy": 1.0, "micro_f1": 1.0'
works lm finetune encoder --classify --lora --data kinds.csv --steps 120 --lr 0.05 --batch-size 8 --out kinds-lora
holds '"problem_type": "multi_label_classification"' kinds-lora/classes.json
works lm classify encoder --adapter kinds-lora --data kinds.csv --json
holds '"problem_type": "multi_label_classification"'
works lm merge encoder --adapter kinds-lora --out kinds-merged
holds '"problem_type": "multi_label_classification"' kinds-merged/config.json
for i in 1 2 3 4 5 6 7 8 9 10; do
    printf '%s\n' '{"text": "the cat sat on the mat", "label": 0.5}' '{"text": "and the rat sat", "label": -2}' '{"text": "number of", "label": 3}'
done >values.jsonl
works lm finetune encoder --classify --data values.jsonl --steps 150 --lr 0.02 --batch-size 8 --out values --json
holds '"classes": 1, "problem_type": "regression", "val_rmse": 0.'
holds '"problem_type": "regression"' values/config.json
works lm classify values --data values.jsonl --json
sed -n 's/.*"r2": \([0-9.]*\).*/\1/p' out | awk '{ exit !($1 > 0.99) }' || wrong "numbers are not learned: $(cat out)"
works lm finetune values --classify --data values.jsonl --steps 1 --lr 1e-9 --batch-size 8 --out values-again --json
holds '"problem_type": "regression"'
sed 's/0.5}/1}/' values.jsonl >whole.jsonl
works lm finetune encoder --classify --data whole.jsonl --steps 1 --out whole-numbers --json
holds '"classes": 3, "problem_type": "single_label_classification"'
works lm finetune encoder --classify --problem-type regression --data whole.jsonl --steps 1 --out whole-numbers --force --json
holds '"classes": 1, "problem_type": "regression"'

# labels that do not fit together, or that the classes of training lack
(cat kinds.jsonl && echo '{"text": "cat", "label": "cat"}') >mixed.jsonl
fails 1 "mixed.jsonl line 31: the label is a word, at mixed.jsonl line 1 it is a list" lm finetune encoder --classify --data mixed.jsonl --out x --json
[ -e x ] && wrong "a failed run left a folder"
echo '{"text": "cat", "label": ["cat", "dog"]}' >dog.jsonl
fails 1 'dog.jsonl line 1: label "dog" is none of the classifier' lm finetune encoder --classify --data kinds.jsonl --val dog.jsonl --out x --json
echo '{"text": "cat", "label": "cat"}' >dog.jsonl
fails 1 'dog.jsonl line 1: label: expected a number' lm finetune encoder --classify --data values.jsonl --val dog.jsonl --out x --json
printf 'text,label\ncat,0.5\nrat,nan\n' >nan.csv
fails 1 "nan.csv line 3: the label is a word, at nan.csv line 2 it is a fraction" lm finetune encoder --classify --data nan.csv --out x --json
fails 1 "nan.csv line 3: label: expected a number" lm finetune encoder --classify --problem-type regression --data nan.csv --out x --json
echo '{"text": "cat", "label": NaN}' >nan.jsonl
fails 1 "nan.jsonl line 1" lm finetune encoder --classify --data nan.jsonl --out x --json
fails 2 "problem-type" lm finetune encoder --classify --problem-type ranking --data kinds.jsonl --out x

# pairs are read in their order, in training and after it
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo '{"text": "the cat", "text_pair": "the rat", "label": "right"}'
    echo '{"text": "the rat", "text_pair": "the cat", "label": "wrong"}'
done >pairs.jsonl
works lm finetune encoder --classify --data pairs.jsonl --steps 150 --lr 0.01 --batch-size 8 --out pairs --json
holds '"val_accuracy": 1.0'
works lm classify pairs --data pairs.jsonl --json
holds '"accuracy": 1.0'
works lm classify pairs --text "the cat" --pair "the rat" && holds "right"

# an adapter brings the head and the names; worked into the weights it says the same
grep -v '"rat"' labels.jsonl >two.jsonl
works lm finetune encoder --classify --lora --rank 4 --data two.jsonl --steps 100 --lr 0.02 --batch-size 8 --out adapter
works lm classify encoder --adapter adapter --data two.jsonl --json
holds '"accuracy": 1.0'
holds '"classes": ["a, cat", "none"]'
works lm classify encoder --adapter adapter --data two.jsonl --out beside.csv
works lm merge encoder --adapter adapter --out merged
works lm classify merged --data two.jsonl --out merged.csv
paste -d , beside.csv merged.csv | awk -F, 'NR > 1 && NR % 2 == 1 { d = $2 - $5; if (d > 1e-5 || d < -1e-5) exit 1 }' ||
    wrong "merged and unmerged differ: $(paste beside.csv merged.csv)"

# mistakes
fails 2 "give --data F or --text TEXT" lm classify classifier
fails 2 "not both" lm classify classifier --data labels.jsonl --text a
fails 2 "--pair is the second text beside --text" lm classify classifier --data labels.jsonl --pair a
fails 2 "both write to standard output" lm classify classifier --data labels.jsonl --out - --json
fails 2 "ends in .csv or .jsonl" lm classify classifier --data labels.jsonl --out answers.txt
fails 2 "batch-size" lm classify classifier --data labels.jsonl --batch-size 0
fails 1 "encoder: this bert model has no classification head" lm classify encoder --data labels.jsonl
fails 1 "missing.jsonl" lm classify classifier --data missing.jsonl
: >empty.jsonl
fails 1 "empty.jsonl: holds no text" lm classify classifier --data empty.jsonl --out x.csv
fails 1 "standard input: holds no text" lm classify classifier --data - </dev/null
echo '{"words": 1}' >words.jsonl
fails 1 'words.jsonl line 1: expected {"text": "…"}' lm classify classifier --data words.jsonl --out x.csv
echo '{"text": "a", "text_pair": 3}' >words.jsonl
fails 1 'words.jsonl line 1: expected {"text": "…"}' lm classify classifier --data words.jsonl --out x.csv
echo '{"text": ' >words.jsonl
fails 1 'words.jsonl line 1' lm classify classifier --data words.jsonl --out x.csv
[ -e x.csv ] && wrong "a failed command left a table"
printf 'the cat \377\n' >broken.txt
works lm classify classifier --data broken.txt
grep -q "U+FFFD" err || wrong "broken UTF-8 gave no warning"

exit $bad
