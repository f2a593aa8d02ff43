/** Ends in the way named by the argument. The last rank is the one that differs. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { release, world } from '../../../native/mpi.ts';
import { failQuietly } from '../../../native/world.ts';

const scenario = process.argv[2] ?? '';
const isLast = world.rank === world.size - 1;

/** Never returns unless all ranks come here. */
function waitForAll(): void {
  world.barrier({ patient: true });
}

async function main(): Promise<void> {
  switch (scenario) {
    case 'normal':
      waitForAll();
      break;
    case 'exit-zero':
      waitForAll();
      process.exit(0);
      break;
    case 'exit-3':
      if (isLast) process.exit(3);
      waitForAll();
      break;
    case 'uncaught':
      if (isLast) throw new Error('thrown on purpose');
      waitForAll();
      break;
    case 'rejection':
      if (isLast) await Promise.reject(new Error('rejected on purpose'));
      waitForAll();
      break;
    case 'exit-code-5':
      process.exitCode = isLast ? 5 : 0;
      if (!isLast) waitForAll();
      break;
    case 'killed':
      if (isLast) process.kill(process.pid, 'SIGKILL');
      waitForAll();
      break;
    case 'worker-exits': {
      const worker = new Worker('process.exit(4)', { eval: true });
      const [code] = (await once(worker, 'exit')) as [number];
      waitForAll();
      console.log(`worker ${code}, then a barrier`);
      break;
    }
    case 'child': {
      const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), {
        execArgv: ['--import', 'tsx'],
      });
      const [code] = (await once(child, 'exit')) as [number];
      waitForAll();
      console.log(`child ${code}, then a barrier`);
      break;
    }
    case 'agreed':
      failQuietly();
      process.exit(7);
      break;
    case 'released': {
      release();
      let code = '';
      try {
        waitForAll();
      } catch (error) {
        code = (error as { code: string }).code;
      }
      console.log(`size ${world.size}, barrier ${code}`);
      break;
    }
    default:
      throw new Error(`no scenario ${scenario}`);
  }
}

await main();
console.log(`end of ${scenario}`);
