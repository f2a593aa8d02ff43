#!/bin/bash
# Runs a command whose processes load the libraries below some directories from copies on their nodes.
set -uo pipefail

usage() {
  cat >&2 <<'TEXT'
usage: collfs-run --nodes LAUNCHER --path DIRECTORY [--path DIRECTORY ...] [options] COMMAND...
  --nodes LAUNCHER    what starts one process on each node, such as 'mpiexec --map-by ppr:1:node'
  --path DIRECTORY    copy the libraries below it
  --all               copy the other files below it too
  --mpi openmpi|mpich which MPI the launcher belongs to (default openmpi)
  --directory PLACE   where each node keeps its links (default /dev/shm)
TEXT
  exit 2
}

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
nodes='' mpi=openmpi place=/dev/shm all=() paths=()
while [[ ${1-} == --* ]]; do
  case $1 in
    --all) all=(--all) && shift && continue ;;
    --) shift && break ;;
  esac
  [[ $# -ge 2 ]] || usage
  case $1 in
    --nodes) nodes=$2 ;;
    --path) paths+=("$(realpath -ms -- "$2")") ;;
    --mpi) mpi=$2 ;;
    --directory) place=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[[ -n $nodes && ${#paths[@]} -gt 0 && $# -gt 0 ]] || usage
stage=$place/collfs-$(id -u)-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')

# The stage ends when its standard input does, so also when this shell is killed.
# shellcheck disable=SC2086 # a launcher with its options
coproc STAGE { exec $nodes "$here/collfs-stage-$mpi" "${all[@]}" "$stage" "${paths[@]}"; }
job=$STAGE_PID
if ! read -r line <&"${STAGE[0]}" || [[ $line != ready:* ]]; then
  echo 'collfs-run: the libraries could not be staged' >&2
  wait "$job" 2>/dev/null
  exit 1
fi
list=$(IFS=: && echo "${paths[*]}")
COLLFS_STAGE=$stage COLLFS_PATHS=$list LD_AUDIT=$here/libcollfs-audit.so${LD_AUDIT:+:$LD_AUDIT} "$@"
code=$?
input=${STAGE[1]-}
[[ -n $input ]] && exec {input}>&-
wait "$job"
exit "$code"
