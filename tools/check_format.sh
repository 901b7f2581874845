#!/bin/sh
# Every C file is laid out as clang-format 14 with .clang-format lays it out. Without that version nothing is checked: others differ.
# Usage: check_format.sh [--write | --count]; --count only says how many files are not, and never fails.
cd "$(dirname "$0")/.." || exit 1
mode=${1:-}
formatter=
for name in clang-format-14 clang-format; do
    if command -v $name >/dev/null 2>&1 && $name --version | grep -q 'version 14\.'; then
        formatter=$name
        break
    fi
done
if [ -z "$formatter" ]; then
    [ "$mode" = --write ] && { echo "weft: clang-format 14 is not here; apt-get install clang-format-14" >&2; exit 1; }
    exit 0
fi
files() {
    find src include tests bench fuzz \( -name '*.c' -o -name '*.h' \) -print0
}
if [ "$mode" = --write ]; then
    files | xargs -0 -r -n 16 $formatter -i
    exit
fi
wrong=$(files | xargs -0 -r $formatter --dry-run -Werror -ferror-limit=1 2>&1 | sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: error.*/\1/p' | LC_ALL=C sort -u)
[ -z "$wrong" ] && exit 0
if [ "$mode" = --count ]; then
    echo "weft: $(echo "$wrong" | wc -l) files are not laid out by .clang-format; make format mends them"
    exit 0
fi
echo "weft: not laid out by .clang-format; make format mends them:" >&2
echo "$wrong" | sed 's/^/  /' >&2
exit 1
