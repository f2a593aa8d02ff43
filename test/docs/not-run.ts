/** Commands in the documentation that are not run by the test of the documentation, each with the reason. */
import type { Command } from './pages.ts';

interface NotRun {
  command: RegExp;
  /** The pages it is about; undefined: all. */
  page?: RegExp;
  reason: string;
}

export const NOT_RUN: readonly NotRun[] = [
  {
    command: /^npm install walla$/,
    reason: 'in its place the test installs the package as it was built',
  },
  { command: /^npm ci$/, reason: 'the set-up of the tests has done it' },
  { command: /^(npm run demo|npm test|git clone)\b/, reason: 'the tests would run themselves' },
  { command: /^npm run (build|setup)$/, reason: 'the set-up of the tests has done it' },
  {
    command: /^npm run (bench|simulate)/,
    reason: 'it measures, for minutes to hours; tests of its own run its parts',
  },
  {
    command: /\bapptainer\b|^docker\b|^kubectl\b/,
    reason: 'there is no container runtime inside of the test machine',
  },
  { command: /\b(srun|sbatch|sbcast)\b/, reason: 'test/slurm runs jobs under a real Slurm' },
  { command: /^tar cf tree\.tar /, reason: 'belongs to a Slurm job that is shown to be replaced' },
  {
    page: /^examples\/(catalogue|mandelbrot)\//,
    command: /app\.mjs/,
    reason: 'test/stage/examples.test.ts runs it, on each Node.js and MPI',
  },
  {
    page: /^examples\/collective-dlopen\//,
    command: /./,
    reason: 'test/collfs-shadow runs its program, on a cluster of namespaces',
  },
  {
    page: /^docs\/collfs\.md$/,
    command: /./,
    reason: 'test/collfs builds by pkg-config, and test/collfs-shadow runs collfs-run',
  },
];

/** Why a command is not run; undefined: it is. */
export function reasonNotToRun({ page, text }: Command): string | undefined {
  return NOT_RUN.find((entry) => (entry.page?.test(page) ?? true) && entry.command.test(text))
    ?.reason;
}
