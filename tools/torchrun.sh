#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share: torchrun.sh PROCESSES SCRIPT [arguments]. One machine: any free port.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
processes=$1 script=$2
shift 2
case $processes in
'' | *[!0-9]* | 0) echo "the number of GPUs must be a positive integer, got '$processes'" >&2 && exit 2 ;;
esac

# The environment that is active, else that of `make setup` where there is one, else the caller's.
PATH=${VIRTUAL_ENV:-$tools/../.venv}/bin:$PATH
if [ "${NNODES:-1}" -gt 1 ]; then
    where=(--nnodes "$NNODES" --node_rank "${NODE_RANK:?}" --master_addr "${MASTER_ADDR:?}" --master_port "${PORT:-29500}")
else
    where=(--standalone)
fi
exec python "$tools/torchrun.py" "${where[@]}" --nproc_per_node "$processes" "$tools/$script" "$@" --launcher pytorch
