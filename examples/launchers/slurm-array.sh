#!/bin/bash
#SBATCH --job-name=walla-array
#SBATCH --array=0-7
#SBATCH --ntasks=1
#SBATCH --time=00:10:00

# Independent processes without MPI:   sbatch slurm-array.sh app.mjs
#
# Elements that are on a node at the same time share one copy of the archive: the first of them reads it, the others
# wait for its lock. Pack before you submit: the elements start at different times, and would each look first.

set -euo pipefail
app=$1

export WALLA_ARCHIVE="${app%.*}.walla" WALLA_TRANSPORT=file

# Look at the lock file and the package.json files alone, not at every packed file: each node looks once.
export WALLA_STALE=lockfile

node --import walla/stage "$app" "$SLURM_ARRAY_TASK_ID"
