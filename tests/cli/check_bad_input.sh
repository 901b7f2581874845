#!/bin/sh
# Whatever is wrong in a table, a split, a model's folder, a configuration or on the command line is one line that says what, where
# and what was expected, with exit status 1 (2: the command line alone); nothing is written, nothing that was there changes.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"
mkdir at && cd at || exit 1

# Every file with its checksum, every folder. What is large or not looked at lies beside this folder.
state() {
    find . -type d
    find . -type f -exec cksum {} +
}

# failed STATUS WORDS WHAT GOT: judges the exit status, ../out and ../err. WORDS: what the line must say, separated by |.
failed() {
    [ "$4" -eq "$1" ] || wrong "$3: exit status $4, expected $1: $(cat ../err)"
    [ "$(wc -l <../err)" -eq 1 ] || wrong "$3: not one line on standard error: $(cat ../err)"
    [ ! -s ../out ] || wrong "$3: standard output holds $(head -c 200 ../out)"
    case $(cat ../err) in "weft: "*) ;; *) wrong "$3: $(cat ../err)" ;; esac
    rest=$2
    while [ -n "$rest" ]; do
        word=${rest%%|*}
        case $rest in *"|"*) rest=${rest#*|} ;; *) rest= ;; esac
        grep -qF -e "$word" ../err || wrong "$3: does not say \"$word\": $(cat ../err)"
    done
}

# refuse STATUS WORDS ARGUMENTS…: weft ARGUMENTS fails and leaves everything as it is
refuse() {
    status=$1
    words=$2
    shift 2
    state >../before
    timeout 60 "$weft" "$@" >../out 2>../err
    failed "$status" "$words" "weft $*" $?
    state >../after
    cmp -s ../before ../after || wrong "weft $*: left $(diff ../before ../after | head -3)"
}

# reject WORDS TABLE.csv OPTIONS…: training on it fails with status 1
reject() {
    words=$1
    table=$2
    shift 2
    refuse 1 "$words" tabular train "$table" --target y --out new --config small.json --context-size 8 --epochs 1 --json "$@"
}

# accept WORDS TABLE.csv OPTIONS…: training on it succeeds, and says WORDS on standard error
accept() {
    words=$1
    table=$2
    shift 2
    "$weft" tabular train "$table" --target y --out ../fine --config small.json --context-size 8 --epochs 1 --json "$@" \
        >../out 2>../err || wrong "train $table: status $?, $(cat ../err)"
    rm -rf ../fine
    rest=$words
    while [ -n "$rest" ]; do
        word=${rest%%|*}
        case $rest in *"|"*) rest=${rest#*|} ;; *) rest= ;; esac
        grep -F -e "$word" ../err | grep -q '^weft: ' || wrong "train $table: does not say \"$word\": $(cat ../err)"
    done
}

small_model >small.json
plain_table 120 >good.csv
awk 'BEGIN { print "split"; for (i = 0; i < 120; i++) print i % 4 < 2 ? 0 : i % 4 - 1 }' >split.csv

# ---- the command line alone
train="tabular train good.csv --target y --out new"
# shellcheck disable=SC2086
{
    refuse 2 "tabular trian|tabular train" tabular trian good.csv
    refuse 2 "tabluar|tabular" tabluar train good.csv
    refuse 2 "--targte|--target" tabular train good.csv --targte y --out new
    refuse 2 "--target" tabular train good.csv --out new
    refuse 2 "--target" tabular train good.csv --target "" --out new
    refuse 2 "--out" tabular train good.csv --target y
    refuse 2 "--arch|tabrs|tabr-s" $train --arch tabrs
    refuse 2 "--batch-size|0" $train --batch-size 0
    refuse 2 "--batch-size|many" $train --batch-size many
    refuse 2 "--context-size|0" $train --context-size 0
    refuse 2 "--epochs|0" $train --epochs 0
    refuse 2 "--epochs|1.5" $train --epochs 1.5
    refuse 2 "--lr|nan" $train --lr nan
    refuse 2 "--lr|0" $train --lr 0
    refuse 2 "--threads|0" $train --threads 0
    refuse 2 "--epochs" $train --epochs
    refuse 2 "--split|--val" $train --split split.csv --val good.csv
    refuse 2 "--test|--val" $train --test good.csv
    refuse 2 "--val-share|--split" $train --split split.csv --val-share 0.3
    refuse 2 "--group|--val" $train --val good.csv --group a
    refuse 2 "--val-share|0" $train --val-share 0
    refuse 2 "--test-share|1" $train --test-share 1
    refuse 2 "more.csv" $train more.csv
    refuse 2 "--part|--split" tabular eval model good.csv --part val
    refuse 2 "--relabel|row 3|twice" tabular predict model good.csv --out p.csv --relabel 3=1,4=2,3=2
    refuse 2 "row 5|--without|--relabel" tabular predict model good.csv --out p.csv --without 1,4-6 --relabel 5=1
    refuse 2 "--neighbors|-1" tabular predict model good.csv --out p.csv --neighbors -1
    refuse 2 "--dtype|f16" run model in.safetensors --out out.safetensors --dtype f16
    refuse 2 "--arch" info
}

# ---- kinds wished for
wish() {
    words=$1
    echo "$2" >wish.json
    reject "$words" good.csv --schema wish.json
}
wish "\"aa\"|nearest" '{"columns": [{"name": "aa", "kind": "categorical"}]}'
wish "\"kind\"|cat|numerical, binary, categorical" '{"columns": [{"name": "a", "kind": "cat"}]}'
wish "binary|more than two" '{"columns": [{"name": "a", "kind": "binary"}]}'
wish "date|wish.json" '{"columns": [{"name": "a", "kind": "date"}]}'
wish "target|--target" '{"columns": [{"name": "a", "kind": "target"}]}'
wish "twice" '{"columns": [{"name": "a", "kind": "dropped"}, {"name": "a", "kind": "dropped"}]}'
wish "\"columns\"" '[]'
wish "task" '{"task": "guess", "columns": []}'
wish "no column is left" '{"columns": [{"name": "a", "kind": "dropped"}, {"name": "b", "kind": "dropped"}]}'
rm wish.json

# ---- the table
reject "none.csv|No such file" none.csv
reject "a folder" .
: >empty.csv
reject "empty.csv|empty|header" empty.csv
echo a,b,y >header.csv
reject "header.csv|row" header.csv
refuse 1 "good.csv|\"yy\"|nearest|\"y\"" tabular train good.csv --target yy --out new
refuse 1 "--drop|\"c\"|nearest" tabular train good.csv --target y --drop c --out new
refuse 1 "--drop|\"y\"" tabular train good.csv --target y --drop y --out new
refuse 1 "\"y\"|--categorical|--task" tabular train good.csv --target y --categorical y --out new
refuse 1 "\"a\"|--drop|--categorical" tabular train good.csv --target y --categorical a --drop a --out new
refuse 1 "split.csv is a file" tabular train good.csv --target y --out split.csv --force
sed '2,$s/,[^,]*$/,/' good.csv >no_target.csv
reject "no_target.csv|\"y\"|empty" no_target.csv
sed '2,$s/,[^,]*$/,7.5/' good.csv >one_value.csv
reject "one_value.csv|\"y\"|7.5" one_value.csv
sed '2,$s/,[^,]*$/,cat/' good.csv >one_class.csv
reject "one_class.csv|\"y\"|cat|one class" one_class.csv
awk -F, -v OFS=, 'NR > 1 { $3 = NR % 4 == 1 ? "dog" : "cat" } 1' good.csv >train_class.csv
reject "train_class.csv|\"y\"|cat|one class" train_class.csv --split split.csv
awk -F, -v OFS=, 'NR > 1 { $3 = NR == 105 ? "cow" : NR % 3 ? "cat" : "dog" } 1' good.csv >unseen.csv
reject "unseen.csv line 105|\"y\"|\"cow\"|cat, dog" unseen.csv --split split.csv
awk -F, -v OFS=, 'NR > 1 { $3 = NR % 3 ? "cat" : "dog" } 1' good.csv >classes.csv
sed '7s/dog\|cat/emu/' classes.csv >val.csv
reject "val.csv line 7|\"y\"|\"emu\"|cat, dog" classes.csv --val val.csv
reject "60|65|--context-size 59" good.csv --split split.csv --context-size 65
reject "60|60|--context-size 59" good.csv --split split.csv --context-size 60
head -3 good.csv >two.csv
reject "two.csv|rows" two.csv
sed '1s/.*/a,a,y/' good.csv >twice.csv
reject "twice.csv|\"a\"" twice.csv
sed '17s/,/,,/' good.csv >ragged.csv
reject "ragged.csv|line 17|4|3" ragged.csv
sed '23s/.*/0.5,"0.25,3/' good.csv >open.csv
reject "open.csv|line 23|quote" open.csv
sed '30s/^[^,]*/inf/' good.csv >infinite.csv
reject "infinite.csv line 30|\"a\"|infinite" infinite.csv
sed '31s/[^,]*$/-inf/' good.csv >infinite_target.csv
reject "infinite_target.csv line 31|\"y\"|finite" infinite_target.csv
sed '32s/^[^,]*/1e39/' good.csv >vast.csv
reject "vast.csv line 32|\"a\"|float32" vast.csv
sed '33s/^[^,]*/about 3/' good.csv >text.csv
reject "text.csv line 33|\"a\"|\"about 3\"|--categorical" text.csv
sed '34s/[^,]*$/high/' good.csv >text_target.csv
reject "text_target.csv line 34|\"y\"|\"high\"" text_target.csv
awk -F, -v OFS=, 'NR > 1 { $1 = "name" NR } 1' good.csv >names.csv
reject "names.csv|\"a\"|name2|identifier|--drop|--categorical" names.csv
sed 's/,/;/g; s/\./,/g' good.csv >commas.csv
reject "commas.csv line 2|\"y\"|comma|point" commas.csv
awk -F, -v OFS=, 'NR > 1 { sub(/\./, ",", $1); $1 = "\"" $1 "\"" } 1' good.csv >comma.csv
reject "comma.csv|\"a\"|0,|with a point|--drop" comma.csv
awk -F, -v OFS=, 'NR > 1 { $1 = "\"" NR % 7 ",5\"" } 1' good.csv >half.csv
accept "\"a\"|commas|text|point" half.csv
cut -d, -f3 good.csv >lonely.csv
reject "lonely.csv|\"y\"|column" lonely.csv
sed '1s/^a//' good.csv >unnamed.csv
reject "unnamed.csv|column 1 of 3|no name|header" unnamed.csv
printf '\037\213\010\000' >packed.csv
reject "packed.csv|gzip data end too early" packed.csv
head -c 100000000 /dev/zero | gzip -c >bomb.csv
reject "bomb.csv|unpacks to more than 82 MB" bomb.csv
printf 'a,b,y\n1,\377\376,3\n' >latin.csv
reject "latin.csv" latin.csv
head -c 2000 /dev/zero >zeros.csv
reject "zeros.csv" zeros.csv

# A column of a million numbers whose one text stands in data row 900,001.
awk 'BEGIN { print "a,y"; for (i = 1; i <= 1000000; i++) print (i == 900001 ? "n.a." : i % 977) ",1" i % 31 }' >../large.csv
reject "large.csv line 900002|\"a\"|\"n.a.\"" ../large.csv
rm ../large.csv

# Said, and trained all the same.
awk -F, -v OFS=, 'NR > 1 && NR % 10 == 0 { $3 = "" } 1' good.csv >some.csv
accept "12 of 120|\"y\"|missing" some.csv
awk -F, -v OFS=, 'NR > 1 && NR % 10 == 0 { $3 = "" } 1' classes.csv >some_classes.csv
accept "12 of 120|\"y\"|missing" some_classes.csv
accept "12 of 120|\"y\"|missing" some.csv --split split.csv
awk -F, -v OFS=, '{ print $1, (NR > 1 ? 5 : "same"), $2, (NR > 1 ? "" : "void"), $3 }' good.csv >constant.csv
accept "\"same\" is constant|\"void\" is left out" constant.csv
awk -F, -v OFS=, 'NR > 1 { $1 = 1.7e9 + NR } 1' CONVFMT=%.15g good.csv >moments.csv
accept "\"a\"|float32|subtract" moments.csv
awk -F, -v OFS=, 'NR > 1 { $3 = 1e15 + NR } 1' CONVFMT=%.17g good.csv >far.csv
reject "far.csv|\"y\"|float32|subtract" far.csv

# ---- the split
head -100 split.csv >short.csv
reject "short.csv|99|120" good.csv --split short.csv
sed '9s/.*/3/' split.csv >digit.csv
reject "digit.csv line 9|\"3\"" good.csv --split digit.csv
sed '10s/.*//' split.csv >blank.csv
reject "blank.csv" good.csv --split blank.csv
sed '2,$s/1/2/' split.csv >part.csv
reject "part.csv|val|empty" good.csv --split part.csv
sed '1s/.*/part/' split.csv >nameless.csv
reject "nameless.csv|\"split\"|\"part\"" good.csv --split nameless.csv
reject "none.csv|No such file" good.csv --split none.csv
refuse 1 "good.csv|\"cc\"|--group|nearest" tabular train good.csv --target y --out new --group cc
refuse 1 "good.csv|\"y\"|--group" tabular train good.csv --target y --out new --group y
sed '14s/^[^,]*//' good.csv >groupless.csv
reject "groupless.csv line 14|\"a\"|group" groupless.csv --group a
paste -d , split.csv good.csv >parted.csv
refuse 1 "parted.csv|\"split\"" tabular train parted.csv --target split --split parted.csv --out new
cut -d, -f1,3 good.csv >narrow.csv
reject "narrow.csv|\"b\"|nearest" good.csv --val narrow.csv

# ---- the configuration
configure() {
    words=$1
    printf '%s\n' "$2" >model.json
    refuse 1 "model.json|$words" tabular train good.csv --target y --out new --config model.json --context-size 8 --json
}
configure "line 2" '{"d_main": '
configure "d_main|0" '{"d_main": 0}'
configure "d_main" '{"d_main": "wide"}'
configure "d_main" '{"d_main": 8.5}'
configure "batch_size|0" '{"batch_size": 0}'
configure "context_dropout|1" '{"context_dropout": 1}'
configure "context_dropout" '{"context_dropout": 1.5}'
configure "dropout0" '{"dropout0": -0.1}'
configure "lr" '{"lr": -1}'
configure "model_type|resnet|tabr" '{"model_type": "resnet"}'
configure "num_embeddings|PLREmbeddings" '{"num_embeddings": {"type": "Fourier"}}'
configure "columns|good.csv" '{"n_num_features": 3}'
configure "object" '[1, 2]'
configure "d_maim|d_main" '{"d_maim": 8}'
echo '{"d_main": 8, "d_layer": 16}' >../other.json
accept "\"d_layer\" is ignored|TabR" good.csv --config ../other.json
rm model.json
refuse 1 "none.json|No such file" tabular train good.csv --target y --out new --config none.json --json

# ---- a finished model
"$weft" tabular train classes.csv --target y --split split.csv --out model --config small.json --context-size 8 --epochs 1 --quiet \
    >../out 2>../err || wrong "train: $(cat ../err)"
refuse 1 "model|--force|--out" tabular train good.csv --target y --out model --context-size 8
refuse 1 "model|finished" tabular train classes.csv --target y --split split.csv --out model --resume --context-size 8
refuse 1 "new|resume" tabular train good.csv --target y --out new --resume --context-size 8
mkdir new # an empty folder holds no run either
refuse 1 "new|resume" tabular train good.csv --target y --out new --resume --context-size 8
rmdir new
"$weft" tabular predict model classes.csv --out old.csv >../out 2>../err || wrong "predict: $(cat ../err)"
refuse 1 "old.csv is a file" tabular extend model classes.csv --out old.csv
refuse 1 "old.csv|--force" tabular predict model classes.csv --out old.csv
refuse 1 "--neighbors 9|8" tabular predict model classes.csv --out p.csv --neighbors 9
refuse 1 "none" tabular predict none classes.csv --out p.csv
refuse 1 "nowhere/p.csv" tabular predict model classes.csv --out nowhere/p.csv
refuse 1 "good.csv" tabular train classes.csv --target y --out good.csv --context-size 8 --epochs 1 --config small.json --json

cut -d, -f1,3 classes.csv >narrow.csv
refuse 1 "narrow.csv|\"b\"|nearest" tabular predict model narrow.csv --out p.csv
sed '12s/^[^,]*/unknown/' classes.csv >text.csv
refuse 1 "text.csv line 12|\"a\"|\"unknown\"" tabular predict model text.csv --out p.csv
sed '13s/^[^,]*/-inf/' classes.csv >infinite.csv
refuse 1 "infinite.csv line 13|\"a\"|\"-inf\"" tabular predict model infinite.csv --out p.csv
refuse 1 "val.csv line 7|\"emu\"|cat, dog" tabular eval model val.csv
head -2 classes.csv >single.csv
refuse 1 "single.csv|two" tabular explain model single.csv
cut -d, -f1,2 classes.csv >unlabelled.csv
refuse 1 "unlabelled.csv|\"y\"" tabular eval model unlabelled.csv
sed '2,$s/,[^,]*$/,/' classes.csv >no_target.csv
refuse 1 "no_target.csv|target" tabular eval model no_target.csv
refuse 1 "short.csv|99|120" tabular eval model classes.csv --split short.csv
awk -F, -v OFS=, '{ print $3, $2, (NR > 1 ? "x" : "extra"), $1 }' classes.csv >other.csv
"$weft" tabular predict model other.csv --out new.csv >../out 2>../err || wrong "predict with other columns: $(cat ../err)"
cmp -s new.csv old.csv || wrong "predict: columns in another order give other predictions"
grep -q '^weft: .*ignored.*"extra"' ../err || wrong "predict: an extra column is not said: $(cat ../err)"
rm new.csv

# ---- its folder, broken: copies in `broken`
# damage WORDS: predicting and evaluating with broken/ fail
damage() {
    refuse 1 "$1" tabular predict broken classes.csv --out p.csv
    refuse 1 "$1" tabular eval broken classes.csv
    rm -r broken
    cp -r model broken
}
# write_length N: eight bytes, little endian
write_length() {
    # shellcheck disable=SC2059
    printf "$(awk -v n="$1" 'BEGIN { for (i = 0; i < 8; i++) { printf "\\%03o", n % 256; n = int(n / 256) } }')"
}
cp -r model broken
tensors=broken/model.safetensors
rm $tensors
damage "model.safetensors|No such file"
head -c 1000 model/model.safetensors >$tensors
damage "model.safetensors"
: >$tensors
damage "model.safetensors"
{ cat model/model.safetensors; echo more; } >$tensors
damage "model.safetensors"
{ write_length 1000000000000; tail -c +9 model/model.safetensors; } >$tensors
damage "model.safetensors|header"
{ write_length 9000000000000000000; tail -c +9 model/model.safetensors; } >$tensors
damage "model.safetensors|header"
sed 's/"K.weight"/"K.wreath"/' model/model.safetensors >$tensors
damage "model.safetensors|\"K.weight\"|missing"
sed 's/\[12, 12\]/[16, 9] /' model/model.safetensors >$tensors
damage "model.safetensors|[16, 9]|[12, 12]"
sed 's/\[12, 12\]/[12, 13]/' model/model.safetensors >$tensors
damage "model.safetensors|[12, 13]"
sed 's/"F32"/"F99"/' model/model.safetensors >$tensors
damage "model.safetensors|F99"
rm broken/candidates.safetensors
damage "candidates.safetensors|No such file"
{ head -c 600 model/candidates.safetensors; printf X; tail -c +602 model/candidates.safetensors; } >broken/candidates.safetensors
damage "candidates.safetensors|checksum"
head -c 700 model/candidates.safetensors >broken/candidates.safetensors
damage "candidates.safetensors"
rm broken/config.json
damage "config.json|No such file"
sed 's/"tabr"/"tabs"/' model/config.json >broken/config.json
damage "config.json|model_type|tabs|tabr"
head -c 50 model/config.json >broken/config.json
damage "config.json|line"
sed 's/"d_main": 12/"d_main": 13/' model/config.json >broken/config.json
damage "model.safetensors|config.json"
sed 's/"d_main": 12/"d_main": 0/' model/config.json >broken/config.json
damage "config.json|d_main"
sed 's/"context_dropout": 0.2/"context_dropout": 1/' model/config.json >broken/config.json
damage "config.json|context_dropout"
sed 's/"context_size": 8/"context_size": 800/' model/config.json >broken/config.json
damage "60|800"
sed 's/"n_num_features": 2/"n_num_features": 4/' model/config.json >broken/config.json
damage "schema.json|config.json"
rm broken/schema.json
damage "schema.json|No such file"
head -c 90 model/schema.json >broken/schema.json
damage "schema.json|line"
sed 's/"numerical"/"musical"/' model/schema.json >broken/schema.json
damage "schema.json|musical"
echo '{}' >broken/schema.json
damage "schema.json"

# ---- a disk that is full, or a file that may not grow: nothing new, and the old file whole
# starved BLOCKS ARGUMENTS…: weft ARGUMENTS where no file may become larger than so many blocks
starved() {
    (
        ulimit -f "$1"
            shift
        exec "$weft" "$@"
    ) >../out 2>../err
}
rm -rf broken
state >../before
starved 2 tabular predict model classes.csv --out p.csv
failed 1 "p.csv|File too large" "predict beyond the limit" $?
starved 2 tabular predict model classes.csv --out old.csv --force
failed 1 "old.csv|File too large" "predict --force beyond the limit" $?
state >../after
cmp -s ../before ../after || wrong "predict beyond the limit: left $(diff ../before ../after | head -3)"
if [ -e /dev/full ]; then
    refuse 1 "/dev/full|No space left" tabular predict model classes.csv --out /dev/full --force
fi
if unshare -rm true 2>../err; then
    cat >../full.sh <<'FULL'
mkdir full && mount -t tmpfs -o size=16k none full || exit 99
"$1" tabular predict model classes.csv --out full/old.csv --quiet || exit 98
cp full/old.csv ../kept.csv
head -c 8192 /dev/zero >full/filler
"$1" tabular predict model classes.csv --out full/old.csv --force --neighbors 8 2>../err
echo $? >../status
cmp full/old.csv ../kept.csv && [ "$(ls -A full)" = "$(printf 'filler\nold.csv')" ] || exit 97
"$1" tabular train classes.csv --target y --out full/new --config small.json --context-size 8 --epochs 1 --json >../out 2>../err2
echo $? >../status2
[ ! -e full/new/model.safetensors ]
FULL
    unshare -rm sh ../full.sh "$weft" >../said 2>&1
    case $? in
        0)
            : >../out
            failed 1 "full/old.csv|No space left" "predict on a full disk" "$(cat ../status)"
            mv ../err2 ../err
            failed 1 "full/new|No space left" "train on a full disk" "$(cat ../status2)"
            ;;
        99) echo "not tried: a small tmpfs may not be mounted here" ;;
        *) wrong "a full disk: $(cat ../said)" ;;
    esac
    rmdir full
else
    echo "not tried: a small tmpfs may not be mounted here"
fi
cp -r model broken

# ---- weft run and weft info
text='{"x_mun":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}    '
{ write_length 64; printf '%s\0\0\0\0\0\0\0\0' "$text"; } >in.safetensors
refuse 1 "x_mun|x_num" run model in.safetensors --out out.safetensors
sed 's/x_mun/x_num/' in.safetensors >named.safetensors
refuse 1 "\"prob\"|probs" run model named.safetensors --out out.safetensors --tap prob
refuse 1 "\"lose\"" run model named.safetensors --out out.safetensors --grad lose
refuse 1 "--adapter|tabr" run model named.safetensors --out out.safetensors --adapter model
refuse 1 "none.safetensors|No such file" run model none.safetensors --out out.safetensors
sed 's/\[1,2\]/[2,1]/' named.safetensors >turned.safetensors
refuse 1 "x_num|[2, 1]|2]" run model turned.safetensors --out out.safetensors
{ write_length 1000000000000; tail -c +9 named.safetensors; } >header.safetensors
refuse 1 "header.safetensors|header" run model header.safetensors --out out.safetensors
# tensors HEADER ZEROS: a file with this header and so many zero bytes
tensors() {
    write_length "$(printf %s "$1" | wc -c)"
    printf %s "$1"
    head -c "$2" /dev/zero
}
x='"x_num":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}'
tensors '{"x_num":{"dtype":"F32","shape":[0,2],"data_offsets":[0,0]}}' 0 >rowless.safetensors
refuse 1 "x_num|no rows" run model rowless.safetensors --out out.safetensors
tensors '{"index":{"dtype":"I64","shape":[0],"data_offsets":[0,0]}}' 0 >rowless.safetensors
refuse 1 "index|no rows" run model rowless.safetensors --out out.safetensors
tensors "{$x,\"context_index\":{\"dtype\":\"I64\",\"shape\":[1,0],\"data_offsets\":[8,8]}}" 8 >alone.safetensors
refuse 1 "context_index|no rows" run model alone.safetensors --out out.safetensors
tensors "{$x,\"candidate.x_num\":{\"dtype\":\"F32\",\"shape\":[9,2],\"data_offsets\":[8,80]}}" 80 >mute.safetensors
refuse 1 "candidate.y is missing" run model mute.safetensors --out out.safetensors
tensors "{$x,\"candidate.y\":{\"dtype\":\"I64\",\"shape\":[9],\"data_offsets\":[8,80]}}" 80 >mute.safetensors
refuse 1 "candidate.y comes without" run model mute.safetensors --out out.safetensors
tensors "{$x,\"mask.probs\":{\"dtype\":\"F32\",\"shape\":[1,8],\"data_offsets\":[8,40]}}" 40 >mask.safetensors
refuse 1 "mask.probs|mask.dropout, mask.T.2" run model mask.safetensors --out out.safetensors
{
    write_length 130
    printf '%-130s' '{"index":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"y":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}'
    printf '\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0'
} >class.safetensors
refuse 1 "y of row 0 is 2|0 to 1" run model class.safetensors --out out.safetensors
refuse 1 "loss|y is missing" run model named.safetensors --out out.safetensors --tap loss
refuse 1 "loss|y is missing" run model named.safetensors --out out.safetensors --grad loss
"$weft" run model named.safetensors --out ../out.safetensors --tap probs >../out 2>../err || wrong "run: $(cat ../err)"
refuse 1 "old.csv|--force" run model named.safetensors --out old.csv
refuse 1 "none" info none
sed 's/"tabr"/"tabs"/' model/config.json >broken/config.json
refuse 1 "config.json|model_type|tabs|tabr, mlp" info broken
refuse 1 "config.json|model_type|tabs|tabr, mlp" run broken named.safetensors --out out.safetensors
exit $bad
