#!/bin/sh
# The command seen from a shell: exit statuses, one line on standard error, nothing but one object with --json, broken pipes,
# a closed or full standard output.
weft=$(readlink -f "$1")
source=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
bad=0

# expect STATUS STDERR WORDS…: runs weft WORDS; STDERR is the whole of standard error, "" for none
expect() {
    status=$1
    message=$2
    shift 2
    "$weft" "$@" >out 2>err
    got=$?
    if [ "$got" -ne "$status" ]; then
        echo "weft $*: exit status $got, expected $status"
        bad=1
    fi
    if [ "$(cat err)" != "$message" ]; then
        echo "weft $*: standard error is \"$(cat err)\", expected \"$message\""
        bad=1
    fi
    if [ "$status" -ne 0 ] && [ -s out ]; then
        echo "weft $*: a failed command wrote to standard output"
        bad=1
    fi
}

expect 0 "" help
expect 0 "" --help
expect 0 "" help version
expect 0 "" version --help
expect 0 "" version
expect 0 "" --version
expect 2 "weft: no command given; weft help lists them"
expect 2 "weft: unknown command versoin; did you mean version?" versoin
expect 2 "weft: unknown command versoin; did you mean version?" help versoin
expect 2 "weft: unknown option --sede; did you mean --seed?" version --sede 3
expect 2 "weft: --seed takes a whole number from 0 up, not \"-1\"" version --seed -1
expect 2 "weft: --device takes cpu or cuda, not \"cpuu\"; did you mean cpu?" version --device cpuu
expect 1 "weft: this build has no CUDA kernels; use --device cpu" version --device cuda
expect 2 "weft: unknown option --no such  option; weft help version lists them" version "--no such
 option"

"$weft" version --json >out 2>err
case $(cat out) in
    '{"version": "'*'"}') ;;
    *) echo "version --json wrote: $(cat out)"; bad=1 ;;
esac
[ "$(wc -l <out)" -eq 1 ] || { echo "version --json: not one line"; bad=1; }

# Every command that help lists has help of its own, with an example.
"$weft" help | sed -n '/^Commands:/,/^$/p' | sed -n 's/^  \([a-z][a-z0-9]*\( [a-z][a-z0-9-]*\)\{0,1\}\) .*/\1/p' >names
[ -s names ] || { echo "help lists no commands"; bad=1; }
while read -r name; do
    # shellcheck disable=SC2086
    "$weft" help $name </dev/null >out 2>err || { echo "weft help $name: $(cat err)"; bad=1; }
    grep -q '^Example:' out || { echo "weft help $name: no example"; bad=1; }
    [ "$(awk 'length > 104' out | grep -vc '^  weft\|^  #')" -eq 0 ] || { echo "weft help $name: lines too long"; bad=1; }
done <names

# Every command line that the help and the documents show is one that the parser takes (--help at its end keeps it from running).
{
    while read -r name; do
        # shellcheck disable=SC2086
        "$weft" help $name </dev/null | sed -n '/^Example:/,$s/^  weft //p'
    done <names
    cat "$source/README.md" "$source"/docs/*.md | sed -n 's/^    \(build\/\)\{0,1\}weft //p'
} | sed 's/ #.*//; s/ [|>&].*//' >shown
[ "$(wc -l <shown)" -gt 4 ] || { echo "no command lines found in help and documents"; bad=1; }
while read -r line; do
    eval "\"\$weft\" $line --help" </dev/null >out 2>err || { echo "shown, but refused: weft $line: $(cat err)"; bad=1; }
done <shown

# Standard output that cannot be written: a message and status 1, never a signal.
if [ -e /dev/full ]; then
    "$weft" help >/dev/full 2>err
    got=$?
    [ $got -eq 1 ] && grep -q '^weft: cannot write to standard output: No space left' err || { echo "full disk: status $got, $(cat err)"; bad=1; }
fi
"$weft" help >&- 2>err
got=$?
[ $got -eq 1 ] && grep -q '^weft: cannot write to standard output' err || { echo "closed output: status $got, $(cat err)"; bad=1; }
{ sleep 0.2; "$weft" help 2>err; echo $? >status; } | :
[ "$(cat status)" -eq 1 ] && grep -q '^weft: cannot write to standard output: Broken pipe' err || { echo "broken pipe: status $(cat status), $(cat err)"; bad=1; }
exit $bad
