#!/usr/bin/env bash
# Train with one process per GPU, or, on a machine without GPUs, with that many CPU processes.
#
#   tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 PORT=29500 tools/dist_train.sh CONFIG GPUS     on each of two machines
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
config=$1 gpus=$2
shift 2
exec "$(dirname "${BASH_SOURCE[0]}")/torchrun.sh" "$gpus" train.py "$config" "$@"
