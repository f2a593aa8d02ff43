#!/bin/bash
#PBS -N walla
#PBS -l select=4:ncpus=32:mpiprocs=32
#PBS -l walltime=00:10:00
#PBS -j oe

# A staged MPI job under PBS Professional or OpenPBS:   qsub -v APP=app.mjs pbs.sh

set -euo pipefail
cd "$PBS_O_WORKDIR"
app=$APP

export WALLA_ARCHIVE="${app%.*}.walla"
npx walla pack "$app" -o "$WALLA_ARCHIVE" --quiet

# The node file has one line a rank. Open MPI built with PBS support knows the nodes by itself, and passes variables on
# only where it is told; MPICH's mpirun passes all (leave out the -x), as does Cray's mpiexec.
ranks=$(wc -l <"$PBS_NODEFILE")
mpirun -n "$ranks" --hostfile "$PBS_NODEFILE" -x WALLA_ARCHIVE node --import walla/stage "$app"
