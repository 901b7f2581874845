#!/bin/sh
# A table that lives: rows added and forgotten without training. What-if is what forgetting gives, to the bit; forgetting what
# was added gives the former predictions, to the bit; a kill at any moment leaves the old rows or the new ones; what is
# wrong is refused and changes nothing.
# shellcheck source=tests/cli/begin.sh
. "$(dirname "$0")/begin.sh"
# shellcheck source=tests/cli/tables.sh
. "$source/tests/cli/tables.sh"

ran() {
    "$weft" "$@" --threads 1 >out 2>err && return
    echo "weft $*: status $?, $(cat err)"
    exit 1
}

# refuse STATUS WORD ARGUMENTS…: fails in one line that says WORD, and model is as it was
refuse() {
    want=$1
    word=$2
    shift 2
    cksum model/* >before
    "$weft" "$@" --threads 1 >out 2>err
    got=$?
    [ $got -eq "$want" ] || wrong "weft $*: status $got, expected $want: $(cat err)"
    { [ "$(wc -l <err)" -eq 1 ] && grep -qF -e "$word" err; } || wrong "weft $*: does not say \"$word\" in one line: $(cat err)"
    cksum model/* >after
    cmp -s before after || wrong "weft $*: changed the model"
}

# number KEY: its value in the JSON of out
number() {
    sed -n "s/.*\"$1\": \([-0-9.e+]*\).*/\1/p" out
}

# column NAME FILE: the cells of a column
column() {
    awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } { print $c }' "$2"
}

# spoil FILE: its last byte but one becomes another
spoil() {
    at=$(($(wc -c <"$1") - 2))
    byte=$(od -An -tu1 -j $at -N 1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %03o $(((byte + 128) % 256)))" | dd of="$1" bs=1 seek=$at conv=notrunc 2>/dev/null
}

# flat KIND ROWS SEED: a table whose rows are lines and whose cells hold no commas
flat() {
    make_table "$@" | awk '{ quotes += gsub(/"/, "\""); printf "%s%s", $0, quotes % 2 ? " " : "\n" }' |
        sed 's/"[^"]*"/quoted/g; s/, or so//'
}

small_model >small.json
awk 'BEGIN { print "split"; for (i = 0; i < 250; i++) print i % 5 < 3 ? 0 : i % 5 - 2 }' >split.csv
for task in regression binary multiclass; do
    flat $task 250 11 >table.csv
    flat $task 40 12 >new.csv
    rm -rf model copy
    ran tabular train table.csv --target y --out model --split split.csv --config small.json --context-size 8 --epochs 6
    ran tabular predict model table.csv --out p0.csv --neighbors 8 --what-if --domain --force
    ran tabular predict model table.csv --out p1.csv --neighbors 8 --what-if --domain --interval 0.8 --threads 2
    rm p1.csv

    # Without its heaviest row, row 3 is predicted as its neighbor_1_without says.
    row=$(column neighbor_1_row p0.csv | sed -n 4p)
    promised=$(column neighbor_1_without p0.csv | sed -n 4p)
    class=$(column prediction p0.csv | sed -n 4p)
    ran tabular forget model "$row" --out copy --json
    [ "$(number candidates)" -eq 149 ] || wrong "$task: forget says $(cat out)"
    ran tabular predict copy table.csv --out p1.csv
    [ $task = regression ] && name=prediction || name=p_$class
    kept=$(column "$name" p1.csv | sed -n 4p)
    [ "$kept" = "$promised" ] || wrong "$task: what-if promised $promised without row $row, forgetting gives $kept"
    ran tabular predict model table.csv --out p2.csv --neighbors 8 --what-if --domain
    cmp -s p0.csv p2.csv || wrong "$task: forget --out changed the model itself"

    # Supposing that a row is gone, or has another target, gives what forgetting it does, or forgetting it and adding it corrected.
    columns=$(head -1 p1.csv | awk -F, '{ print NF }')
    ran tabular predict model table.csv --out s1.csv --without "$row" --json
    [ "$(number without)" -eq 1 ] || wrong "$task: --without says $(cat out)"
    cut -d, -f "1-$columns" s1.csv | cmp -s - p1.csv || wrong "$task: --without is not what forget gives"
    ran tabular predict model table.csv --out p2.csv --force
    cut -d, -f "$((columns + 1))-" s1.csv | sed 1d >as_is.csv
    sed 1d p2.csv | cmp -s - as_is.csv || wrong "$task: as_is is not what the model says"
    other=$(column y table.csv | awk -v own="$(column y table.csv | sed -n "$((row + 1))p")" '$0 != own' | head -1)
    awk -F, -v OFS=, -v at=$((row + 2)) -v y="$other" 'NR == 1 { print } NR == at { $NF = y; print }' table.csv >corrected.csv
    ran tabular extend copy corrected.csv
    ran tabular predict copy table.csv --out p1.csv --force
    ran tabular predict model table.csv --out s1.csv --relabel "$row=$other" --force --json
    [ "$(number changed)" -ge 0 ] || wrong "$task: --relabel says $(cat out)"
    cut -d, -f "1-$columns" s1.csv | cmp -s - p1.csv || wrong "$task: --relabel is not what forgetting and adding the row corrected gives"
    cmp -s p1.csv p2.csv && wrong "$task: another target of the heaviest row of one changes nothing"
    refuse 2 'as in 17=yes' tabular predict model table.csv --out s2.csv --relabel "$row"
    refuse 2 'as in 3,17,40-52' tabular predict model table.csv --out s2.csv --without x
    refuse 1 'row 9999 is not among' tabular predict model table.csv --out s2.csv --relabel "9999=$other"
    refuse 1 'fewer than the context size 8' tabular predict model table.csv --out s2.csv --without 0-249
    rm -r p1.csv p2.csv s1.csv copy

    # Added and forgotten: the former predictions. New rows get the numbers behind the training file's.
    ran tabular extend model new.csv --json
    [ "$(number candidates)" -eq 190 ] || wrong "$task: extend says $(cut -c 1-200 out)"
    [ "$(number first_row)" -eq 250 ] || wrong "$task: extend names the first new row $(number first_row)"
    for key in drift before out_of_domain; do
        grep -q "\"$key\": " out || wrong "$task: extend --json has no $key"
    done
    ran tabular predict model new.csv --out p1.csv --neighbors 1
    own=$(awk -F, 'NR > 1 { n += $(NF - 3) == 250 + NR - 2 } END { print n }' p1.csv)
    [ "$own" -ge 30 ] || wrong "$task: only $own of 40 added rows rest on themselves most"
    ran tabular forget model 250-289 --json
    [ "$(number candidates)" -eq 150 ] || wrong "$task: forget says $(cat out)"
    ran tabular predict model table.csv --out p2.csv --neighbors 8 --what-if --domain
    cmp -s p0.csv p2.csv || wrong "$task: forgetting what was added does not restore the predictions"

    # Numbers are not used twice.
    ran tabular extend model new.csv --json
    [ "$(number first_row)" -eq 290 ] || wrong "$task: numbers of forgotten rows are given again: $(number first_row)"
    rm p0.csv p1.csv p2.csv
done

# An ensemble's promise holds as well. Rows added in two steps are the rows added in one.
flat binary 250 11 >two.csv
flat binary 40 12 >more.csv
ran tabular train two.csv --target y --out team --split split.csv --config small.json --context-size 8 --epochs 3 --ensemble 3
ran tabular predict team two.csv --out p0.csv --neighbors 8 --what-if
row=$(column neighbor_1_row p0.csv | sed -n 4p)
promised=$(column neighbor_1_without p0.csv | sed -n 4p)
class=$(column prediction p0.csv | sed -n 4p)
ran tabular forget team "$row" --out fewer
ran tabular predict fewer two.csv --out p1.csv
kept=$(column "p_$class" p1.csv | sed -n 4p)
[ "$kept" = "$promised" ] || wrong "ensemble: what-if promised $promised without row $row, forgetting gives $kept"
ran tabular extend team more.csv --out once
sed -n 1,16p more.csv >some.csv
sed '2,16d' more.csv >others.csv
ran tabular extend team some.csv --out twice
ran tabular extend twice others.csv
ran tabular predict once two.csv --out p2.csv --neighbors 8 --force
ran tabular predict twice two.csv --out p3.csv --neighbors 8
cmp -s p2.csv p3.csv || wrong "ensemble: rows added in two steps are not those added in one"
cmp -s p0.csv p2.csv && wrong "ensemble: 40 added rows change nothing"
rm -r two.csv more.csv some.csv others.csv p0.csv p1.csv p2.csv p3.csv team fewer once twice

# ---- killed
cp -r model start
ran tabular predict start new.csv --out old.csv
cp -r start full
ran tabular extend full new.csv
ran tabular predict full new.csv --out new_p.csv
begin=$(date +%s%N)
cp -r start timed
ran tabular extend timed new.csv
took=$((($(date +%s%N) - begin) / 1000))
seen=
for moment in 5 20 35 50 60 65 70 75 80 85 88 91 94 97 100 104; do
    rm -rf model p.csv
    cp -r start model
    "$weft" tabular extend model new.csv --threads 1 >/dev/null 2>&1 &
    job=$!
    sleep "$(awk -v us=$took -v part=$moment 'BEGIN { printf "%.4f", us * part / 1e8 }')"
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    ran tabular predict model new.csv --out p.csv
    if cmp -s p.csv old.csv; then
        seen=${seen}o
    elif cmp -s p.csv new_p.csv; then
        seen=${seen}n
    else
        wrong "killed after $moment %: neither the old predictions nor the new ones"
    fi
    ran tabular forget model 0 # the next change clears up
    [ -z "$(find model -name '.*tmp')" ] || wrong "killed after $moment %: left $(ls -A model)"
done
case $seen in *o*) ;; *) wrong "no kill came early enough: $seen" ;; esac
rm -rf model
cp -r start model

# ---- an ablation that puts the row itself before its context: the weights of the others stay within 1
sed 's/}/, "design": "step1"}/' small.json >design.json
ran tabular train table.csv --target y --out design --split split.csv --config design.json --context-size 8 --epochs 1
ran tabular predict design table.csv --out d.csv --neighbors 8
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /_weight$/) w[i] = 1; next }
    { sum = 0; for (i in w) sum += $i; if (sum > 1.00001 || sum < 0.01) print NR ": " sum }' d.csv >faults
[ ! -s faults ] || wrong "weights of a design: $(head -3 faults)"

# ---- into another folder
ran tabular extend model new.csv --out other/place
cmp -s model/model.safetensors other/place/model.safetensors || wrong "--out does not hold the model's weights"
[ "$(ls -A other)" = place ] || wrong "--out left $(ls -A other)"
refuse 1 "--force" tabular extend model new.csv --out other/place
echo mine >other/place/notes.txt
ran tabular forget other/place 0-10 --out model --force
[ "$(cat other/place/notes.txt)" = mine ] || wrong "a source folder lost a file"
ran tabular extend model new.csv --out other/place --force
[ "$(cat other/place/notes.txt)" = mine ] || wrong "--force lost a file of the user's"
mkdir taken && echo mine >taken/notes.txt
refuse 1 "taken" tabular extend model new.csv --out taken
rm -rf model
cp -r start model

# ---- what is refused
refuse 2 "3,17,40-52" tabular forget model 3,,4
refuse 2 "3,17,40-52" tabular forget model 9-4
refuse 2 "3,17,40-52" tabular forget model 3x
refuse 1 "row 4 is not among" tabular forget model 0,4
refuse 1 "7000-8000" tabular forget model 7000-8000
refuse 1 "context size 8" tabular forget model 0-100000
sed '1s/,y$/,z/' new.csv >no_target.csv
refuse 1 "\"y\"" tabular extend model no_target.csv
sed '2s/,[^,]*$/,huge/' new.csv >unseen.csv
refuse 1 "huge" tabular extend model unseen.csv
sed '2,$s/,[^,]*$/,/' new.csv >empty.csv
refuse 1 "has a target" tabular extend model empty.csv
sed '1s/weight/wait/' new.csv >renamed.csv
refuse 1 "\"weight\"" tabular extend model renamed.csv
refuse 2 "--neighbors" tabular predict model new.csv --out p9.csv --what-if
refuse 2 "--interval" tabular predict model new.csv --out p9.csv --interval 1
refuse 1 "8 training rows" tabular predict model new.csv --out p9.csv --neighbors 9
spoil model/candidates.safetensors
refuse 1 "checksum" tabular extend model new.csv
refuse 1 "checksum" tabular predict model new.csv --out p9.csv
rm -rf model
cp -r start model
spoil model/calibration.safetensors
refuse 1 "calibration.safetensors" tabular predict model new.csv --out p9.csv
rm -rf model
echo '{"d_layer": 16, "n_blocks": 1}' >mlp.json
ran tabular train table.csv --target y --out model --arch mlp --split split.csv --config mlp.json --epochs 2
refuse 1 "MLP" tabular extend model new.csv
refuse 1 "MLP" tabular forget model 3
refuse 1 "MLP" tabular predict model new.csv --out p9.csv --neighbors 2
refuse 1 "MLP" tabular predict model new.csv --out p9.csv --domain
ran tabular predict model new.csv --out p9.csv --interval 0.9 --calibrated
head -1 p9.csv | grep -q ',set$' || wrong "an MLP gives no sets: $(head -1 p9.csv)"
exit $bad
