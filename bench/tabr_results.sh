#!/bin/sh
# Trains the models of docs/results/tabr.md on the tables of tables.tsv and prints two lines each: what each of five seeds scores on
# the test part, and what their ensemble does. With a number of trials also tunes, and prints the line of the tuned ensemble.
# Usage: tabr_results.sh WEFT DATA_FOLDER [OUT_FOLDER [TABLES [MODELS [TRIALS]]]]   TABLES, MODELS: words, "" for all
weft=$1
data=$2
out=${3:-tabr-results}
tables=${4:-}
models=${5:-tabr-s tabr mlp-plr}
trials=${6:-0}
here=$(dirname "$0")
mkdir -p "$out" || exit 1

scores() { sed 's/.*"test": *{"rows": [0-9]*, \([^}]*\)"classes".*/\1/; s/.*"test": *{\([^}]*\)}.*/\1/' "$1"; }
members() { sed 's/.*"members_alone": \(\[[^]]*\]\).*/\1/' "$1"; }

tail -n +2 "$here/tables.tsv" | while IFS="$(printf '\t')" read -r table target task drop; do
    case " ${tables:-$table} " in *" $table "*) ;; *) continue ;; esac
    set -- "$data/$table.csv" --target "$target" --task "$task" --split "$data/$table.split.csv" --threads 1 --force --quiet --json
    [ "$drop" = - ] || set -- "$@" --drop "$drop"
    for model in $models; do
        name=$out/$table-$model
        "$weft" tabular train "$@" --arch "$model" --ensemble 5 --out "$name" >"$name.json" || exit 1
        printf '%s %s seeds 0-4: %s\n%s %s ensemble: %s\n' "$table" "$model" "$(members "$name.json")" "$table" "$model" "$(scores "$name.json")"
        [ "$trials" -gt 0 ] || continue
        "$weft" tabular tune "$@" --arch "$model" --trials "$trials" --ensemble 5 --out "$name-tuned" >"$name-tuned.json" || exit 1
        printf '%s %s tuned seeds 0-4: %s\n%s %s tuned ensemble: %s\n' "$table" "$model" "$(members "$name-tuned.json")" "$table" "$model" \
            "$(scores "$name-tuned.json")"
    done
done
