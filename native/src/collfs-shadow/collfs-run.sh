#!/bin/bash
# Runs a command whose processes load the libraries below some directories from copies on their nodes.
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: collfs-run --nodes LAUNCHER --path DIRECTORY [--path DIRECTORY ...] [options] COMMAND...
  --nodes LAUNCHER    what starts one process on each node, such as 'mpiexec --map-by ppr:1:node'
  --path DIRECTORY    copy the libraries below it
  --all               copy the other files below it too
  --mpi openmpi|mpich which MPI the launcher belongs to (default openmpi)
  --directory PLACE   where each node keeps its links (default /dev/shm)
  --help              print this
TEXT
}

# fail STATUS CODE MESSAGE HINT
fail() {
  printf 'collfs-run: [%s] %s: %s\nhint: %s\n' "$(hostname)" "$2" "$3" "$4" >&2
  exit "$1"
}

misused() { fail 2 ERR_COLLFS_OPTION "$1" 'collfs-run --help says what it takes'; }

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
nodes='' mpi=openmpi place=/dev/shm all=() paths=()
while [[ ${1-} == --* ]]; do
  case $1 in
    --all) all=(--all) && shift && continue ;;
    --help) usage && exit 0 ;;
    --) shift && break ;;
  esac
  [[ $# -ge 2 ]] || misused "$1 has no value"
  case $1 in
    --nodes) nodes=$2 ;;
    --path) paths+=("$(realpath -ms -- "$2")") ;;
    --mpi) mpi=$2 ;;
    --directory) place=$2 ;;
    *) misused "there is no option $1" ;;
  esac
  shift 2
done
[[ -n $nodes ]] || misused 'no --nodes: what starts one process on each node is not known'
[[ ${#paths[@]} -gt 0 ]] || misused 'no --path: no directory is to be copied'
[[ $# -gt 0 ]] || misused 'no command to run'
[[ $mpi == openmpi || $mpi == mpich ]] || misused "--mpi is $mpi, not openmpi or mpich"
[[ -x $here/collfs-stage-$mpi ]] ||
  fail 1 ERR_COLLFS_MPI "$here/collfs-stage-$mpi was not built" \
    "install that MPI's compiler and type npm run build, or choose the other MPI by --mpi"
stage=$place/collfs-$(id -u)-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')

# The stage ends when its standard input does, so also when this shell is killed.
# shellcheck disable=SC2086 # a launcher with its options
coproc STAGE { exec $nodes "$here/collfs-stage-$mpi" "${all[@]}" "$stage" "${paths[@]}"; }
job=$STAGE_PID
if ! read -r line <&"${STAGE[0]}" || [[ $line != ready:* ]]; then
  wait "$job" 2>/dev/null
  fail 1 ERR_COLLFS_STAGING "the libraries could not be staged: '$nodes' ended with code $?" \
    "what is above says why; if nothing does, see whether it can start: $nodes hostname"
fi
list=$(IFS=: && echo "${paths[*]}")
COLLFS_STAGE=$stage COLLFS_PATHS=$list LD_AUDIT=$here/libcollfs-audit.so${LD_AUDIT:+:$LD_AUDIT} "$@"
code=$?
input=${STAGE[1]-}
[[ -n $input ]] && exec {input}>&-
wait "$job"
exit "$code"
