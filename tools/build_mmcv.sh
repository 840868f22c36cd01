#!/usr/bin/env bash
# Build a wheel of mmcv with all of its ops, as tools/setup_env.sh calls it: build_mmcv.sh PYTHON REQUIREMENT FOLDER
# FORCE_CUDA=1 builds the CUDA ops as well (TORCH_CUDA_ARCH_LIST names the cards), MAX_JOBS limits the compilers at work.
set -euo pipefail
python=$1 requirement=$2 folder=$3
mkdir -p "$folder/source" "$folder/tmp"
# These take the place of Python's own flags, optimisation included.
export CFLAGS='-O2 -g0 -DNDEBUG' CXXFLAGS='-O2 -g0 -DNDEBUG'
export TMPDIR=$folder/tmp MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(nproc)}
PATH=$(dirname "$python"):$PATH
pip() { "$python" -m pip --disable-pip-version-check "$@"; }

pip download --no-build-isolation --no-deps --no-binary mmcv --dest "$folder" "$requirement"
tar -xzf "$folder"/mmcv-*.tar.gz -C "$folder/source" --strip-components=1

# mmcv asks for C++17, newer torch for C++20. Without a word torch takes what it needs.
sed -i "s/\['-std=c++17'\]/[]/" "$folder/source/setup.py"

# Nearly all of the work is parsing the headers of torch once for each of 77 sources. Joined into five, and the bindings,
# they take a fifth of it. Each of the five ends with one whose helpers or macros would clash with another's.
clashing=(bezier_align psamask roi_align roi_align_rotated rotated_feature_align)
if [ -z "${FORCE_CUDA:-}" ]; then
    cd "$folder/source/mmcv/ops/csrc/pytorch"
    next=0
    for file in *.cpp cpu/*.cpp; do
        name=$(basename "$file" .cpp)
        [ "$file" != pybind.cpp ] || continue
        mv "$file" "$file.h"
        case "$file" in cpu/*) case " ${clashing[*]} " in *" $name "*) continue ;; esac ;; esac
        echo "#include \"$file.h\"" >>"joined_$((next++ % ${#clashing[@]})).cpp"
    done
    for i in "${!clashing[@]}"; do echo "#include \"cpu/${clashing[i]}.cpp.h\"" >>"joined_$i.cpp"; done
fi
pip wheel -v --no-build-isolation --no-deps --wheel-dir "$folder/wheel" "$folder/source"
