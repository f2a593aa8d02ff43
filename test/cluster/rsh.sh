#!/bin/bash
# Stands in for ssh in a test cluster: rsh.sh [options] HOST COMMAND...
# Both Open MPI (plm_rsh_agent) and MPICH (HYDRA_LAUNCHER_EXEC) start their daemons with it from the
# login node. Like ssh it hands the command to a shell.
set -euo pipefail
while [[ ${1-} == -* ]]; do
  case $1 in
    -l | -p | -o | -i | -F) shift 2 ;; # options of ssh that take a value
    *) shift ;;
  esac
done
host=$1
shift
file=/run/cluster/$host.pid
if [[ ! -s $file ]]; then
  echo "rsh.sh: no node called $host" >&2
  exit 255
fi
exec nsenter --target "$(<"$file")" --net --uts --mount --pid -- \
  bash -c 'cd "$1" 2>/dev/null || cd /; shift; eval "$@"' rsh "$PWD" "$@"
