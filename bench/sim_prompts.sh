#!/bin/sh
# Layers with chunks of prompts, by the event engine and by formulas: cycles of both and their difference, fixed behaviour.
# Usage: bench/sim_prompts.sh [WEFT]   from the project's folder; some minutes
weft=$(readlink -f "${1:-build/weft}")
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

# decoding N: N requests of 200 to 599 tokens, over all channels
decoding() {
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "[%d, %d], ", 200 + i * 37 % 400, i % 32 }'
}

cycles() {
    "$weft" sim case "$folder/case.json" --behaviour fixed --mode "$1" --json | sed 's/.*"total_cycles": \([0-9]*\), "stages".*/\1/'
}

# row NAME MODEL REQUESTS: [tokens in the cache, channel, tokens of the chunk] are a prompt's
row() {
    for system in "neupims false" "neupims true" "npu_pim false" "npu_only false"; do
        case "$system:$3" in *true:*"], ["*) ;; *true:*) continue ;; esac # halves need two requests
        echo "{\"system\": \"${system% *}\", \"sub_batch\": ${system#* }, \"model\": $2, \"requests_seq_ch\": [$3]}" >"$folder/case.json"
        event=$(cycles event)
        analytic=$(cycles analytic)
        echo "$1 $system $event $analytic" | awk '{ printf "%-20s %-9s %-6s %9d %9d %+.1f %%\n", $1, $2, $3, $4, $5, 100 * ($5 / $4 - 1) }'
    done
}

big='{"n_embd": 4096, "n_head": 32, "n_tp": 4}'
small='{"n_embd": 1024, "n_head": 8, "n_tp": 1}'
echo "requests system halves event analytic difference"
row prompt-512 "$big" "[512, 3, 512]"
row prompt-2048 "$big" "[2048, 3, 2048]"
row chunk-512-of-2048 "$big" "[2048, 3, 512]"
row chunk-128-of-1024 "$big" "[1024, 3, 128]"
row 64+chunk-512 "$big" "$(decoding 64)[1024, 5, 512]"
row 64+prompt-1984 "$big" "$(decoding 64)[1984, 5, 1984]"
row 64+4-chunks-128 "$big" "$(decoding 64)[128, 0, 128], [256, 5, 128], [384, 10, 128], [512, 15, 128]"
row 64 "$big" "$(decoding 64 | sed 's/, $//')"
row E1024:64 "$small" "$(decoding 64 | sed 's/, $//')"
row E1024:16+chunk-256 "$small" "$(decoding 16)[600, 5, 256]"
