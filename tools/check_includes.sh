#!/bin/sh
# Fails when an #include points upward. Layer NAME is src/NAME and include/weft/NAME.h; the rows below say what each may use.
# A folder that is no row is a room: it may use everything below the registry, but no other room.
# Usage: check_includes.sh [ROOT]
root=${1:-$(dirname "$0")/..}
cd "$root" || exit 1

find src include/weft -name '*.[ch]' | LC_ALL=C sort | xargs awk '
BEGIN {
    may["base"] = ""
    may["io"] = may["kernels"] = may["report"] = "base"
    may["text"] = "io base"
    may["graph"] = "kernels io base"
    may["nn"] = "graph kernels io base"
    may["train"] = "nn graph kernels io base"
    may["lm"] = "text train nn graph kernels io base"
    part["template"] = "text" # a public header of a layer with another name
    room = "lm text report train nn graph kernels io base"
    bad = 0
}
FNR == 1 {
    public = FILENAME ~ /^include\//
    layer = FILENAME
    if (public) { sub(/^include\/weft\//, "", layer); sub(/\.h$/, "", layer); if (layer in part) layer = part[layer] }
    else { sub(/^src\//, "", layer); sub(/\/.*/, "", layer) }
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    path = $0
    sub(/^[^"]*"/, "", path); sub(/".*/, "", path)
    used = path
    if (path ~ /^weft\//) { sub(/^weft\//, "", used); sub(/\.h$/, "", used); if (used in part) used = part[used] }
    else if (path ~ /\//) sub(/\/.*/, "", used)
    else used = layer
    if (public && path !~ /^weft\//) complain("a public header includes only public headers")
    else if (layer == "cli" || (public && layer == "weft") || used == layer) next
    else if (used == "cli" || used == "weft") complain("only the command may use it")
    else if (layer == "registry") next
    else if (index(" " (layer in may ? may[layer] : room) " ", " " used " ") == 0)
        complain("layer " layer " may use: " (layer in may ? may[layer] : room))
}
function complain(why) {
    printf "%s:%d: includes \"%s\": %s\n", FILENAME, FNR, path, why
    bad = 1
}
END { exit bad }' || { echo "weft: an include points upward" >&2; exit 1; }
