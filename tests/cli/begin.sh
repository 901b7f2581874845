# Read first by tests of the command: `weft` is the command (argument 1), `source` the project's folder (argument 2), `folder` an
# empty one to work in, where they are now; `bad` becomes 1 with the first fault. shellcheck shell=sh
weft=$(readlink -f "$1")
# shellcheck disable=SC2034 # not every test reads it
source=$(readlink -f "${2:-.}")
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
bad=0

wrong() {
    echo "$*"
    bad=1
}

# works WORDS…: succeeds; what it says is in out
works() {
    "$weft" "$@" >out 2>err || wrong "weft $*: $(cat err)"
}

# holds PIECE [FILE]: FILE (out) has it
holds() {
    grep -qF -e "$1" "${2:-out}" || wrong "no \"$1\" in \"$(head -c 600 "${2:-out}")\""
}

# fails STATUS PIECE WORDS…: exit status, a piece of the one line on standard error, and nothing on standard output
fails() {
    status=$1
    piece=$2
    shift 2
    "$weft" "$@" >out 2>err
    got=$?
    [ "$got" -eq "$status" ] || wrong "weft $*: exit status $got, expected $status: $(cat err)"
    grep -q '^weft: ' err || wrong "weft $*: \"$(cat err)\" does not begin with weft:"
    grep -qF -e "$piece" err || wrong "weft $*: \"$(cat err)\" does not say \"$piece\""
    [ "$(wc -l <err)" -eq 1 ] || wrong "weft $*: more than a line on standard error: $(cat err)"
    [ -s out ] && wrong "weft $*: a failed command wrote to standard output"
}
