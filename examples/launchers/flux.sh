#!/bin/bash
#flux: --job-name=walla
#flux: --nodes=4
#flux: --nslots=8
#flux: --time-limit=10m

# A staged MPI job under Flux:   flux batch flux.sh app.mjs
#
# Flux gives each rank a PMI-1 server, which MPICH and its kin use. For Open MPI 5 say -o pmi=pmix, with the plugin
# flux-pmix.

set -euo pipefail
app=$1

export WALLA_ARCHIVE="${app%.*}.walla"
npx walla pack "$app" -o "$WALLA_ARCHIVE" --quiet

flux run --nodes=4 --ntasks=8 -o exit-timeout=30s node --import walla/stage "$app"
