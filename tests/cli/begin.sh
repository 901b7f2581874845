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
