#!/bin/bash
#SBATCH --job-name=walla-steps
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2
#SBATCH --time=00:30:00

# Several steps in one job, each of which finds the image on its nodes:   sbatch slurm-steps.sh app.mjs STEPS

set -euo pipefail
app=$1 steps=$2

export WALLA_ARCHIVE="${app%.*}.walla"
npx walla pack "$app" -o "$WALLA_ARCHIVE" --quiet

# The image outlives a step, so it has to be removed at the end, however the job ends.
export WALLA_KEEP=1
clean() { srun --mpi=none --ntasks-per-node=1 --ntasks="$SLURM_NNODES" npx walla clean; }
trap clean EXIT

for ((step = 1; step <= steps; step++)); do
  srun --mpi="${MPI_TYPE:-pmix}" --kill-on-bad-exit=1 node --import walla/stage "$app" "$step"
done
