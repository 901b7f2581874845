#!/bin/sh
# Installs the Debian packages that Weft is built with, those of them that are missing. Says nothing when all are there.
set -u

build="gcc make cmake pkg-config libcmocka-dev libjansson-dev liblapacke-dev libopenblas-dev libpcre2-dev libutf8proc-dev zlib1g-dev"
check="clang libomp-14-dev libclang-rt-14-dev mandoc"

if ! command -v dpkg-query >/dev/null 2>&1; then
    command -v cmake >/dev/null 2>&1 && exit 0 # another system: cmake names what it does not find
    echo "weft: this is no Debian system; install by hand what these packages hold: $build" >&2
    exit 1
fi

# The words of $* that are packages not installed.
absent() {
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
            *" installed") ;;
            *) printf ' %s' "$package" ;;
        esac
    done
}

# Without a compiler nothing goes on; without the second compiler some checks are skipped.
give_up() {
    echo "weft: $1" >&2
    # shellcheck disable=SC2086
    [ -z "$(absent $build)" ]
    exit
}

# shellcheck disable=SC2086
missing=$(absent $build $check)
[ -z "$missing" ] && exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || give_up "these packages are missing and there is no sudo; as root: apt-get install$missing"
    as_root=sudo
fi

echo "weft: installing$missing"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
$as_root apt-get update >"$log" 2>&1 </dev/null
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >>"$log" 2>&1 </dev/null && exit 0
reason=$(grep -m 1 '^E: ' "$log" | cut -c4-)
give_up "apt-get could not install$missing (${reason:-no reason given})"
