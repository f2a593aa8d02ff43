#!/bin/bash
# Runs a command, and writes each system call with a file name that it and its children make to a
# file of its own in $TRACES: counted.sh COMMAND...
set -euo pipefail
# Other calls are not slowed down. The variable is not for strace itself, and set for the command as it is here.
audit=${LD_AUDIT-}
unset LD_AUDIT
exec strace -f --seccomp-bpf -qq -e trace=%file -e signal=none ${audit:+-E "LD_AUDIT=$audit"} \
  -o "$TRACES/$(hostname).$$" "$@"
