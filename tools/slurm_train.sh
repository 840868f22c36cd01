#!/usr/bin/env bash
# Train under slurm, one task per GPU; the arguments are those of mmdetection3d's script of this name.
#
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]
#   GPUS=16 GPUS_PER_NODE=8 CPUS_PER_TASK=5 SRUN_ARGS='--time=24:00:00' tools/slurm_train.sh ...
set -euo pipefail
if [ $# -lt 4 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
partition=$1 job=$2 config=$3 work_dir=$4
shift 4
exec "$(dirname "${BASH_SOURCE[0]}")/slurm.sh" "$partition" "$job" train.py "$config" --work-dir "$work_dir" "$@"
