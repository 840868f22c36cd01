#!/usr/bin/env bash
# What slurm_train.sh and slurm_test.sh share: slurm.sh PARTITION JOB_NAME SCRIPT [arguments].
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
partition=$1 job=$2 script=$3
shift 3
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}

# The environment that is active, else that of `make setup` where there is one, else the caller's.
PATH=${VIRTUAL_ENV:-$tools/../.venv}/bin:$PATH
# shellcheck disable=SC2086  # SRUN_ARGS are several words
exec srun -p "$partition" --job-name="$job" --gres=gpu:"$per_node" --ntasks="$gpus" --ntasks-per-node="$per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$tools/$script" "$@" --launcher slurm
