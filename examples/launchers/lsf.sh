#!/bin/bash
#BSUB -J walla
#BSUB -n 128
#BSUB -R "span[ptile=32]"
#BSUB -W 00:10
#BSUB -o walla-%J.out

# A staged MPI job under LSF:   APP=app.mjs bsub -env "all" < lsf.sh
#
# Where jobs are started by jsrun (IBM Spectrum MPI, which is an Open MPI), replace the last line by:
#   jsrun --nrs 4 --tasks_per_rs 32 node --import walla/stage "$app"

set -euo pipefail
app=$APP

export WALLA_ARCHIVE="${app%.*}.walla"
npx walla pack "$app" -o "$WALLA_ARCHIVE" --quiet

# LSF says in LSB_DJOB_NUMPROC how many slots the job has; Open MPI built with LSF support knows where they are.
mpirun -n "$LSB_DJOB_NUMPROC" -x WALLA_ARCHIVE node --import walla/stage "$app"
