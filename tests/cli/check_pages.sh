#!/bin/sh
# Manual pages and completions as they are installed: mandoc finds no fault, bash offers commands, actions, options and choices.
weft=$(readlink -f "$1")
pages=$3/pages
bad=0
"$weft" version >/dev/null || exit 1
[ -f "$pages/man1/weft.1" ] && [ -f "$pages/weft.bash" ] && [ -f "$pages/_weft" ] || { echo "no pages in $pages; build the target weft_pages"; exit 1; }

if command -v mandoc >/dev/null 2>&1; then
    for page in "$pages"/man1/*.1; do
        fault=$(mandoc -Tlint -W warning "$page" 2>&1)
        [ -z "$fault" ] || { echo "$fault"; bad=1; }
        mandoc -Thtml "$page" 2>/dev/null | grep -q 'id="EXIT_STATUS"' || { echo "$page: shows no exit status"; bad=1; }
    done
else
    echo "no mandoc here: the pages' form is not checked"
fi

if command -v bash >/dev/null 2>&1; then
    # complete WORDS…: what bash would offer for the last word
    bash -c '
        source "$1" || exit 1
        offers() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _weft; echo " ${COMPREPLY[*]} "; }
        want() { local has=$1; shift; case $(offers "$@") in *" $has "*) ;; *) echo "completing \"$*\" does not offer $has: $(offers "$@")"; bad=1 ;; esac; }
        bad=0
        want version weft ""
        want version weft ver
        want --threads weft version --
        want --seed weft version --s
        want cuda weft version --device ""
        for room in tabular; do
            case $(offers weft "") in
                *" $room "*)
                    for action in $(offers weft $room ""); do want --threads weft $room $action --; done
                    want train weft $room tr
                    want --target weft $room train --
                    want --target weft $room train --ta ;;
            esac
        done
        exit $bad' bash "$pages/weft.bash" || bad=1
    bash -n "$pages/weft.bash" || bad=1
fi
if command -v zsh >/dev/null 2>&1; then
    zsh -n "$pages/_weft" || bad=1
fi
grep -q '^#compdef weft' "$pages/_weft" || { echo "the zsh completion names no command"; bad=1; }
exit $bad
