#!/usr/bin/env bash
# Evaluate with one process per GPU, or, on a machine without GPUs, with that many CPU processes.
#
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
config=$1 checkpoint=$2 gpus=$3
shift 3
exec "$(dirname "${BASH_SOURCE[0]}")/torchrun.sh" "$gpus" test.py "$config" "$checkpoint" "$@"
