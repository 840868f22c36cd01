#!/usr/bin/env bash
# Evaluate under slurm, one task per GPU; the arguments are those of mmdetection3d's script of this name.
#
#   tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
#   GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=5 SRUN_ARGS='--time=1:00:00' tools/slurm_test.sh ...
set -euo pipefail
if [ $# -lt 4 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
partition=$1 job=$2 config=$3 checkpoint=$4
shift 4
exec "$(dirname "${BASH_SOURCE[0]}")/slurm.sh" "$partition" "$job" test.py "$config" "$checkpoint" "$@"
