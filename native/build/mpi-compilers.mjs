/** The compilers of each MPI. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { MPI_DEFINES } from './flags.mjs';
import { keyOf, produce } from './products.mjs';
import { BuildError, run, toolNamed } from './tools.mjs';

export const MPI_NAMES = { openmpi: 'Open MPI', mpich: 'MPICH' };

// Each MPI has an ABI of its own, and says in its header which one it is.
const MPI_PROBE = `#include <mpi.h>
#if defined(OPEN_MPI)
walla_abi_openmpi
#elif defined(MPICH_VERSION) || defined(I_MPI_VERSION) || defined(MVAPICH2_VERSION)
walla_abi_mpich
#endif
`;

/** 'openmpi', 'mpich', or '' for a compiler that is neither. */
async function abiOf(tool) {
  const path = await produce('probes', keyOf(tool.stamp, MPI_PROBE), async (aside) => {
    const probe = `${aside}.cpp`;
    writeFileSync(probe, MPI_PROBE);
    try {
      const text = await run(tool, [...MPI_DEFINES, '-E', probe]);
      writeFileSync(aside, /walla_abi_(\w+)/.exec(text)?.[1] ?? '');
    } finally {
      rmSync(probe, { force: true });
    }
  });
  return readFileSync(path, 'utf8');
}

/** A compiler that the user named: it must be there, and be what it is said to be. */
export async function namedCompiler(variable, abi) {
  const name = process.env[variable];
  if (!name) return undefined;
  const tool = toolNamed(name);
  if (!tool) throw new BuildError(`${variable}: no such program: ${name}`);
  const found = await abiOf(tool);
  if (!found || (abi && found !== abi)) {
    throw new BuildError(
      `${variable}: ${name} is no compiler of ${MPI_NAMES[abi] ?? 'an MPI known here'}`,
    );
  }
  return { tool, abi: found };
}

/** The compiler of one MPI, or the names looked for in vain. */
export async function findMpiCompiler(abi, override) {
  if (override?.abi === abi) return { tool: override.tool };
  const named = await namedCompiler(`WALLA_MPICC_${abi.toUpperCase()}`, abi);
  if (named) return { tool: named.tool };
  const names = [`mpicxx.${abi}`, 'mpicxx', 'mpic++'];
  for (const name of names) {
    const tool = toolNamed(name);
    // One that is installed without its headers is none.
    if (tool && (await abiOf(tool).catch(() => '')) === abi) return { tool };
  }
  return { names };
}
