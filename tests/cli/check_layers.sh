#!/bin/sh
# The check of include directions finds what it is there for: the sources pass, and each planted fault is named.
source=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
bad=0
sh "$source/tools/check_includes.sh" "$source" || bad=1

# planted RESULT FILE INCLUDE: a tree with one file that holds one include
planted() {
    rm -rf "$folder/src" "$folder/include"
    mkdir -p "$folder/$(dirname "$2")" "$folder/src" "$folder/include/weft"
    printf '/* a file */\n#include "%s"\n' "$3" >"$folder/$2"
    if sh "$source/tools/check_includes.sh" "$folder" >"$folder/out" 2>&1; then got=fine; else got=fault; fi
    [ $got = "$1" ] || { echo "$2 including $3: $got, expected $1"; cat "$folder/out"; bad=1; }
}
planted fault src/base/a.c graph/graph.h
planted fault src/base/a.c weft/graph.h
planted fault src/io/a.c kernels/gemm.h
planted fault src/kernels/level/a.c graph/op.h
planted fault src/graph/a.c nn/layers.h
planted fault src/nn/a.c weft/train.h
planted fault src/tabular/a.c vision/a.h
planted fault src/tabular/a.c registry/registry.h
planted fault src/train/a.c cli/cli.h
planted fault src/graph/a.c weft/weft.h
planted fault include/weft/base.h weft/graph.h
planted fault include/weft/graph.h graph/graph.h
planted fine src/base/a.c base/files.h
planted fine src/graph/a.c kernels/gemm.h
planted fine src/graph/a.c graph.h
planted fine src/train/a.c weft/nn.h
planted fine src/tabular/a.c train/loop.h
planted fine src/registry/a.c tabular/tabr.h
planted fine src/cli/a.c registry/registry.h
planted fine include/weft/nn.h weft/graph.h
planted fine include/weft/weft.h weft/tabular.h
exit $bad
