#!/usr/bin/env bash
# Make .venv complete: pinned requirements, the mmcv wheel, ssl_bev itself. Safe to run again, safe to interrupt.
#
#   tools/setup_env.sh                 what `make setup` calls
#   PYTHON=python3.12 tools/setup_env.sh
#   TORCH=2.1.2 PYTHON=python3.10 tools/setup_env.sh     another torch, in .venv-torch2.1.2-py3.10
#   tools/setup_env.sh --cuda          the CUDA ops of mmcv too, for the cards at hand; needs the CUDA toolkit
#   TORCH_CUDA_ARCH_LIST="8.0;9.0" tools/setup_env.sh --cuda    for other cards
#   tools/setup_env.sh --folder        print the folder of the environment, make nothing
#   SSL_BEV_CACHE=/big/disk tools/setup_env.sh    where the mmcv wheel is kept (default ~/.cache/ssl_bev)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${SSL_BEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ssl_bev}
started=$SECONDS
say() { printf '[setup %3ds] %s\n' $((SECONDS - started)) "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

supported() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; }
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        supported "$PYTHON" || die "PYTHON=$PYTHON is not a working Python 3.10, 3.11 or 3.12. Name another, or unset PYTHON."
        echo "$PYTHON"
        return
    fi
    for name in python3.11 python3.12 python3.10 python3; do
        if supported "$name"; then echo "$name"; return; fi
    done
    die "no Python 3.10, 3.11 or 3.12 found. Install one (Debian, Ubuntu: apt-get install python3 python3-venv python3-dev) or set PYTHON=."
}
need_disk() {  # GIGABYTES FOLDER
    mkdir -p "$2" || die "cannot create $2. Set SSL_BEV_CACHE to a folder that you can write."
    local free_kb
    free_kb=$(df -Pk "$2" | awk 'NR==2 {print $4}')
    [ "$free_kb" -ge $(($1 * 1024 * 1024)) ] || die "$2 has $((free_kb / 1024)) MB free, set-up needs $1 GB there. Free some space."
}

need_compiler() {
    command -v "${CXX:-c++}" >/dev/null || die "no C++ compiler (${CXX:-c++}), which the mmcv build needs. Debian, Ubuntu: apt-get install g++"
    "$python" -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
        || die "$python has no headers (Python.h), which the mmcv build needs. Debian, Ubuntu: apt-get install python3-dev"
}

need_nvcc() {
    nvcc=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc
    [ -n "${CUDA_HOME:-}" ] || nvcc=$(command -v nvcc || echo "$nvcc")
    [ -x "$nvcc" ] || die "no nvcc, which the CUDA ops of mmcv need. Install the CUDA toolkit of the version that torch is built for, or set CUDA_HOME to where it is."
    export CUDA_HOME=${nvcc%/bin/nvcc}
    compgen -G "$CUDA_HOME/include/cusolverDn.h" >/dev/null || compgen -G "$CUDA_HOME/targets/*/include/cusolverDn.h" >/dev/null \
        || die "$CUDA_HOME has nvcc, but not the headers of cuSOLVER, which torch's own include. Install the whole CUDA toolkit, or set CUDA_HOME to where it is."
    [ -n "$cards" ] || die "nvidia-smi finds no card to build for. Name some by their compute capability: TORCH_CUDA_ARCH_LIST=\"8.0;9.0\"."
}

# The rule of torch's extension builder. CUDA keeps what is compiled compatible within a major version.
need_matching_cuda() {
    local built_for release
    built_for=$("$venv/bin/python" -c 'import torch; print(torch.version.cuda or "")')
    [ -n "$built_for" ] || die "the package index serves $torch without CUDA. Name one with it: PIP_INDEX_URL."
    release=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')
    [ -n "$release" ] || die "$nvcc --version names no release of CUDA. Set CUDA_HOME to a toolkit of CUDA ${built_for%%.*}."
    [ "${release%%.*}" = "${built_for%%.*}" ] || die "nvcc is of CUDA $release, $torch is built for $built_for: other major versions do not fit. Set CUDA_HOME to a toolkit of CUDA ${built_for%%.*}, or TORCH= to a torch for yours."
    [ "$release" = "$built_for" ] || say "    nvcc is of CUDA $release, torch is built for $built_for: the same major version, which fits"
}

case "${1:-}" in '' | --cuda | --folder) ;; *) die "unknown argument $1; known are --cuda and --folder" ;; esac
python=$(find_python)
torch=$(grep '^torch==' requirements/torch.txt)
venv=$PWD/.venv
if [ -n "${TORCH:-}" ]; then
    [[ $TORCH =~ ^2\.[0-9]+\.[0-9]+$ ]] || die "TORCH=$TORCH is no version of torch 2, such as 2.7.1."
    torch=torch==$TORCH
    venv+=-torch$TORCH-py$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
fi
[ "${1:-}" != --folder ] || { echo "$venv"; exit 0; }
# Once made with CUDA ops, an environment keeps them, and the cards that they are for.
ops=cpu cards=
if [ "${1:-}" = --cuda ] || [ -e "$venv/.with-cuda" ]; then
    ops=cuda
    cards=${TORCH_CUDA_ARCH_LIST:-$(cat "$venv/.with-cuda" 2>/dev/null || true)}
    cards=${cards:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -u | paste -sd ';' || true)}
fi
# mmengine imports transformers wherever it is installed, and newer ones refuse torch 2.1.
case $torch in torch==2.[01].*) huggingface=requirements/huggingface_torch2.1.txt ;; *) huggingface=requirements/huggingface.txt ;; esac

stamp=$venv/.setup-complete
digest() { sha256sum | cut -d' ' -f1; }
wanted=$( (cat requirements/*.txt setup.py setup.cfg tools/setup_env.sh tools/build_mmcv.sh; "$python" -VV; pwd; echo "$torch $ops $cards") | digest)
# An editable install knows the packages that were there when it was made.
packages=$(find ssl_bev projects -name '*.py' | sed 's|/[^/]*$||' | LC_ALL=C sort -u | digest)
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted $packages" ] && exit 0

mkdir -p "$venv"
exec 9>"$venv.lock"
flock -n 9 || { say "waiting for another set-up in this folder"; flock 9; }
made=$(cat "$stamp" 2>/dev/null || true)
[ "$made" = "$wanted $packages" ] && exit 0
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
quietly() { # WHAT COMMAND...: one line when it starts, the log's end when it fails
    local what=$1 log=$venv/setup.log
    shift
    say "$what"
    "$@" >"$log" 2>&1 || { tail -n 15 "$log" >&2; die "failed: $what. The whole log: $log"; }
}
install_ssl_bev() {
    quietly "    ssl_bev, editable" pip install --no-deps --no-build-isolation -e .
}

if [ "${made% *}" = "$wanted" ]; then
    say "packages of this project were added or removed"
    install_ssl_bev
    echo "$wanted $packages" >"$stamp"
    exit 0
fi

"$python" -c 'import venv, ensurepip' 2>/dev/null || die "$python has no venv module. Debian, Ubuntu: apt-get install python3-venv"
need_disk 4 .
# Before minutes of downloads, not after.
ls "$cache"/mmcv*/mmcv-*.whl >/dev/null 2>&1 || need_compiler
[ $ops = cpu ] || need_nvcc
rm -f "$stamp"

if ! [ "$("$venv/bin/python" -VV 2>/dev/null)" = "$("$python" -VV)" ]; then
    say "creating $(basename "$venv") with $("$python" -V)"
    "$python" -m venv --clear "$venv"
fi
[ $ops = cpu ] || echo "$cards" >"$venv/.with-cuda"

quietly "1/5 $torch (a download of 200 MB to 3 GB, by platform)" pip install "$torch"
if [ $ops = cuda ]; then
    need_matching_cuda
    export FORCE_CUDA=1 TORCH_CUDA_ARCH_LIST=$cards
fi
quietly "2/5 libraries" pip install -r requirements/runtime.txt -r requirements/dev.txt -r $huggingface "$torch"
# Both OpenCV wheels write the same folder; the one without a GUI must win, bare machines lack libGL.
headless=$(grep '^opencv-python-headless' requirements/runtime.txt)
quietly "3/5 OpenCV without a GUI" pip install --no-deps --force-reinstall "$headless"

mmcv=$(grep '^mmcv' requirements/mmcv.txt)
key=$("$venv/bin/python" - <<'PY'
import platform, sys, torch
print(f'cp{sys.version_info[0]}{sys.version_info[1]}-torch{torch.__version__}-{platform.machine()}')
PY
)
[ $ops = cpu ] || key+=-cuda${cards//[^0-9A-Za-z.+]/_}
key+=-$(digest <tools/build_mmcv.sh | cut -c1-8)  # a wheel that another script built is not taken
wheels=$cache/${mmcv//==/}-$key
if ! ls "$wheels"/mmcv-*.whl >/dev/null 2>&1; then
    need_compiler
    need_disk 2 "$cache"
    exec 8>"$cache/lock"
    flock -n 8 || { say "waiting for another mmcv build on this machine"; flock 8; }
fi
if ! ls "$wheels"/mmcv-*.whl >/dev/null 2>&1; then
    build=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$build"; [ -z "${builder:-}" ] || kill -- -"$builder" 2>/dev/null || true' EXIT
    say "4/5 building $mmcv for $key: once on this machine, kept in $cache"
    set -m
    tools/build_mmcv.sh "$venv/bin/python" "$mmcv" "$build" >"$build/log" 2>&1 &
    builder=$!
    set +m
    while kill -0 "$builder" 2>/dev/null; do
        sleep 5
        if [ $(((SECONDS - started) % 30)) -lt 5 ]; then
            done_files=$(grep -oE '^ *\[[0-9]+/[0-9]+\]' "$build/log" | tail -n 1 | tr -d ' ' || true)
            say "    compiling ${done_files:-(starting)}"
        fi
    done
    wait "$builder" || { cp "$build/log" "$venv/setup.log"; tail -n 15 "$build/log" >&2; die "mmcv did not build. The whole log: $venv/setup.log"; }
    builder=
    rm -rf "$wheels"
    mv "$build/wheel" "$wheels"  # whole or not at all
    rm -rf "$build"
fi
quietly "4/5 mmcv from $wheels" pip install --no-deps --force-reinstall "$wheels"/mmcv-*.whl
quietly "5/5 OpenMMLab, nuscenes-devkit and ssl_bev" pip install --no-deps -r requirements/openmmlab.txt
install_ssl_bev
quietly "    a first import" "$venv/bin/python" -c 'import mmcv.ops, mmdet3d.models, ssl_bev, projects.BEVFormer.bevformer'
echo "$wanted $packages" >"$stamp"
say "done"
