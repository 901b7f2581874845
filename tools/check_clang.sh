#!/bin/sh
# A second compiler reads every source: clang, warnings as errors, no code made. Only files that changed since the last clean pass
# are read again; a changed header means all. Usage: check_clang.sh BUILD
build=${1:-build}
cd "$(dirname "$0")/.." || exit 1
if ! command -v clang >/dev/null 2>&1; then
    echo "weft: no clang here: its pass over the sources is skipped"
    exit 0
fi
stamp=$build/clang-pass
newer=
if [ -f "$stamp" ] && [ -z "$(find src include tests tools/check_clang.sh -name '*.h' -newer "$stamp" -o -name '*.sh' -newer "$stamp" | head -n 1)" ]; then
    newer="-newer $stamp"
fi
flags="-std=gnu17 -fsyntax-only -D_GNU_SOURCE -Iinclude -Isrc -Itests -fopenmp -ffp-contract=off -Wall -Wextra -Wshadow -Wstrict-prototypes
    -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Werror $(pkg-config --cflags jansson lapacke libpcre2-8 libutf8proc 2>/dev/null)
    -DWEFT_SOURCE_DIR=\"\" -DWEFT_BINARY_DIR=\"\""
jobs=$(nproc 2>/dev/null || echo 2)
touch "$build/clang-pass.begun"

# shellcheck disable=SC2086
{
    find src tests bench fuzz -name '*.c' ! -path 'src/kernels/level/*' $newer 2>/dev/null | xargs -r -n 8 -P "$jobs" clang $flags
    first=$?
    second=0
    for level in v2 v3 v4; do
        find src/kernels/level -name '*.c' $newer 2>/dev/null |
            xargs -r -n 4 -P "$jobs" clang $flags -march=x86-64-$level -DWEFT_LEVEL=$level -DWEFT_LEVEL_$level=1 || second=1
    done
}
if [ "$first" -ne 0 ] || [ "$second" -ne 0 ]; then
    echo "weft: clang finds fault with the sources" >&2
    exit 1
fi
mv "$build/clang-pass.begun" "$stamp"
