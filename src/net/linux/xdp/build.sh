#!/usr/bin/env bash
# Compiles the programs beside it (or those of the folder given) into objects, which are committed: building synprobe needs no clang. Another
# version of clang makes other instructions; the committed ones are of version 14.
set -euo pipefail
clang=$(command -v clang-14 || command -v clang)
cd "${1:-$(dirname "$0")}"
for source in *.bpf.c; do
    "$clang" -O2 -g -target bpf -mcpu=v3 -Wall -Werror -I "/usr/include/$(uname -m)-linux-gnu" -fdebug-prefix-map="$PWD"=. \
        -c "$source" -o "${2:-.}/${source%.c}.o"
    llvm-strip -g "${2:-.}/${source%.c}.o"
done
