#!/usr/bin/env bash
# Make .venv complete: pinned requirements, the mmcv wheel, ssl_bev itself. Safe to run again, safe to interrupt.
#
#   tools/setup_env.sh                 what `make setup` calls
#   PYTHON=python3.12 tools/setup_env.sh
#   SSL_BEV_CACHE=/big/disk tools/setup_env.sh    where the mmcv wheel is kept (default ~/.cache/ssl_bev)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=$PWD/.venv
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

python=$(find_python)
stamp=$venv/.setup-complete
digest() { sha256sum | cut -d' ' -f1; }
wanted=$( (cat requirements/*.txt setup.py setup.cfg tools/setup_env.sh; "$python" -VV; pwd) | digest)
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
ls "$cache"/mmcv*/mmcv-*.whl >/dev/null 2>&1 || need_compiler  # before minutes of downloads, not after
rm -f "$stamp"

if ! [ "$("$venv/bin/python" -VV 2>/dev/null)" = "$("$python" -VV)" ]; then
    say "creating .venv with $("$python" -V)"
    "$python" -m venv --clear "$venv"
fi

quietly "1/5 torch (a download of 200 MB to 3 GB, by platform)" pip install -r requirements/torch.txt
quietly "2/5 libraries" pip install -r requirements/runtime.txt -r requirements/dev.txt -r requirements/torch.txt
# Both OpenCV wheels write the same folder; the one without a GUI must win, bare machines lack libGL.
headless=$(grep '^opencv-python-headless' requirements/runtime.txt)
quietly "3/5 OpenCV without a GUI" pip install --no-deps --force-reinstall "$headless"

mmcv=$(grep '^mmcv' requirements/mmcv.txt)
key=$("$venv/bin/python" - <<'PY'
import platform, sys, torch
print(f'cp{sys.version_info[0]}{sys.version_info[1]}-torch{torch.__version__}-{platform.machine()}')
PY
)
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
    say "4/5 building $mmcv for $key: once on this machine, about 8 minutes on 2 cores, kept in $cache"
    set -m
    TMPDIR=$build MMCV_WITH_OPS=1 CFLAGS=-g0 CXXFLAGS=-g0 MAX_JOBS=${MAX_JOBS:-$(nproc)} PATH=$venv/bin:$PATH \
        "$venv/bin/python" -m pip wheel -v --no-build-isolation --no-deps --wheel-dir "$build/wheel" "$mmcv" >"$build/log" 2>&1 &
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
