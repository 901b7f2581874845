#!/bin/sh
# Runs each fuzz target of a build for some seconds, from fuzz/corpus/NAME where that is. Usage: fuzz.sh BUILD SECONDS
build=$1
seconds=${2:-30}
cd "$(dirname "$0")/.." || exit 1
bad=0
for target in "$build"/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target" | sed 's/^fuzz_//')
    mkdir -p "$build/corpus/$name" "$build/found"
    seeds=
    [ -d "fuzz/corpus/$name" ] && seeds=fuzz/corpus/$name
    # shellcheck disable=SC2086
    if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$build/found/$name-" "$build/corpus/$name" $seeds \
        >"$build/$name.log" 2>&1 </dev/null; then
        echo "$name: clean after $seconds s, $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$build/$name.log") runs"
    else
        echo "$name: FAILED; see $build/$name.log and $build/found"
        bad=1
    fi
done
exit $bad
