/** Whether this process shares the machine's names with others, as ranks of one node must. */
import { readlinkSync } from 'node:fs';
import type { Check } from './check.ts';

/** The first namespaces of a machine have these numbers: include/linux/proc_ns.h. Those of mnt and net vary. */
const FIRST: Record<string, string> = {
  ipc: '4026531839',
  uts: '4026531838',
  user: '4026531837',
  pid: '4026531836',
  cgroup: '4026531835',
};

export function checkNamespaces(proc = '/proc/self'): Check {
  const name = 'namespaces';
  const own: string[] = [];
  for (const [kind, first] of Object.entries(FIRST)) {
    try {
      if (/\d+/.exec(readlinkSync(`${proc}/ns/${kind}`))?.[0] !== first) own.push(kind);
    } catch {
      // A kernel without this kind.
    }
  }
  const data = { own };
  if (own.length === 0) return { name, status: 'ok', found: 'those of the machine', data };
  const found = `in a container: its own ${own.join(', ')}`;
  if (!own.includes('pid') && !own.includes('user')) return { name, status: 'ok', found, data };
  return {
    name,
    status: 'warns',
    found: `${found}; ranks of one node share an image, and MPI's memory, only in one container or with /dev/shm in common`,
    hint: 'start one container per node and mpirun inside, or bind /dev/shm and share the PID namespace',
    data,
  };
}
