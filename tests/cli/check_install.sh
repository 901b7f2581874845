#!/bin/sh
# An install into an empty folder is whole: a consumer builds and runs by pkg-config and by find_package, shared and static; every
# public header compiles alone; pages and completions lie where the system looks for them.
source=$2
build=$3
grep -q '^WEFT_SANITIZE:[A-Z]*=.\+' "$build/CMakeCache.txt" && { echo "skipped: a sanitizer build is not for installing"; exit 77; }
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
at=$folder/at
cmake --install "$build" --prefix "$at" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
libdir=$(dirname "$(find "$at" -name weft.pc)")/..
version=$("$at/bin/weft" version | sed 's/weft //')
bad=0

# says WHAT COMMAND…: the program prints the version
says() {
    what=$1
    shift
    got=$("$@" 2>&1)
    [ "$got" = "$version" ] || { echo "$what: $got"; bad=1; }
}

export PKG_CONFIG_PATH="$libdir/pkgconfig"
# shellcheck disable=SC2046
cc "$source/tests/cli/consumer/consumer.c" -o "$folder/by-pkg-config" $(pkg-config --cflags --libs weft) || bad=1
says "shared, pkg-config" env LD_LIBRARY_PATH="$libdir" "$folder/by-pkg-config"

cmake -S "$source/tests/cli/consumer" -B "$folder/consumer" -DCMAKE_PREFIX_PATH="$at" >"$folder/log" 2>&1 &&
    cmake --build "$folder/consumer" >>"$folder/log" 2>&1 || { cat "$folder/log"; bad=1; }
says "shared, find_package" "$folder/consumer/shared"
says "static, find_package" "$folder/consumer/static"

for header in "$at"/include/weft/*.h; do
    name=$(basename "$header")
    echo "#include <weft/$name>" >"$folder/one.c"
    cc -std=c17 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -I"$at/include" "$folder/one.c" || { echo "$name does not stand alone"; bad=1; }
done

for file in share/man/man1/weft.1 share/bash-completion/completions/weft share/zsh/site-functions/_weft bin/weft; do
    [ -s "$at/$file" ] || { echo "$file is not installed"; bad=1; }
done
exit $bad
