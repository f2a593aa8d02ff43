#!/bin/bash
#SBATCH --job-name=walla
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2
#SBATCH --time=00:10:00

# A staged MPI job under Slurm:   sbatch slurm.sh app.mjs [ARGUMENT...]
#
# MPI_TYPE is what srun offers programs: pmix for Open MPI (the default here), pmi2 for MPICH, Intel MPI and Cray
# MPICH, none for programs without MPI. `srun --mpi=list` says what your Slurm has.

set -euo pipefail
app=$1

# Once a job, on the first node. An archive that is still right is left as it is; to save even that look at the tree,
# pack on the login node and say here only where the archive is.
export WALLA_ARCHIVE="${app%.*}.walla"
npx walla pack "$app" -o "$WALLA_ARCHIVE" --quiet

# One rank reads the archive, the others receive it. A rank that fails before MPI is up ends the job.
srun --mpi="${MPI_TYPE:-pmix}" --kill-on-bad-exit=1 node --import walla/stage "$@"
