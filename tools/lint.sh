#!/bin/sh
# Include directions and layout; then clang-tidy and cppcheck, where they are installed. Usage: lint.sh BUILD
build=${1:-build}
cd "$(dirname "$0")/.." || exit 1
bad=0
sh tools/check_includes.sh || bad=1
sh tools/check_format.sh || bad=1
jobs=$(nproc 2>/dev/null || echo 2)
if command -v clang-tidy >/dev/null 2>&1; then
    checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*,bugprone-*,-bugprone-easily-swappable-parameters'
    checks="$checks,-clang-analyzer-valist.*,-clang-analyzer-optin.portability.*,-bugprone-sizeof-expression,-bugprone-narrowing-conversions,-bugprone-macro-parentheses,-bugprone-reserved-identifier"
    find src -name '*.c' ! -path 'src/kernels/level/*' -print0 |
        xargs -0 -n 4 -P "$jobs" clang-tidy --quiet -p "$build" --checks="$checks" --warnings-as-errors='*' 2>/dev/null || bad=1
fi
if command -v cppcheck >/dev/null 2>&1; then
    cppcheck --quiet -j "$jobs" --std=c17 --enable=warning,portability --inline-suppr --error-exitcode=1 -D_GNU_SOURCE -Iinclude -Isrc \
        -i src/kernels/level src || bad=1
fi
exit $bad
