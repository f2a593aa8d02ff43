/**
 * Every rank is a node leader and takes part in transfers, one after the other; prints a line of JSON for each.
 * Arguments: a transport, and a JSON array of settings.
 */
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAddon } from '../../../native/load-addon.ts';
import { Communicator } from '../../../native/communicator.ts';
import { failQuietly, openMpi } from '../../../native/world.ts';
import { WallaError } from '../../../stage/errors.ts';
import { decodeManifest } from '../../../stage/format/manifest.ts';
import { Job } from '../../../stage/job.ts';
import { TRANSPORTS } from '../../../stage/transport/choose.ts';
import type { TransportName } from '../../../stage/transport/transport.ts';

export interface Setting {
  name: string;
  /** A whole archive, to compare with. */
  expected: string;
  /** What the root and, for `file`, every leader opens; absent for `http`. */
  source?: string;
  url?: string;
  /** Directory for the directory of the copies. */
  directory: string;
  /** Rank that has the image already. */
  has?: number;
}

export interface Result {
  name: string;
  rank: number;
  /** Whether this rank received. */
  took?: boolean;
  /** Whether its copy is the archive. */
  same?: boolean;
  code?: string;
  message?: string;
}

const [transport, text] = process.argv.slice(2) as [TransportName, string];
const addon = loadAddon();
const world = new Communicator(openMpi().world);
for (const setting of JSON.parse(text) as Setting[]) {
  const result: Result = { name: setting.name, rank: world.rank, ...transfer(setting) };
  console.log(`\n${JSON.stringify(result)}`);
}
failQuietly();

function transfer(setting: Setting): Omit<Result, 'name' | 'rank'> {
  const expected = readFileSync(setting.expected);
  const memberBytes = parseInt(expected.toString('latin1', 124, 136), 8);
  const { body } = decodeManifest(expected.subarray(512, 512 + memberBytes));
  const directory = join(setting.directory, `${setting.name}-${world.rank}`);
  mkdirSync(directory, { mode: 0o700 });
  let targetFd = -1;
  if (setting.has !== world.rank) {
    const directoryFd = addon.openPrivateDirectory(directory, false);
    targetFd = addon.openPrivateFileAt(directoryFd, 'copy', 'create');
    closeSync(directoryFd);
    addon.reserve(targetFd, expected.length);
  }
  try {
    const digest = new Job(world).phase('transfer', () => {
      const arrived = TRANSPORTS[transport](world, {
        source: () => (setting.source === undefined ? -1 : openSync(setting.source, 'r')),
        targetFd,
        bytes: expected.length,
        hashFrom: body.offset,
        url: setting.url,
        timeoutMs: 2000,
        onBytes: undefined,
      });
      if (arrived !== undefined && arrived !== body.digest)
        throw new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', 'the digest is another');
      return arrived;
    });
    const copy = targetFd < 0 ? undefined : readFileSync(join(directory, 'copy'));
    return { took: digest !== undefined, same: copy?.equals(expected) ?? false };
  } catch (error) {
    const { code, message } = WallaError.from(error);
    return { code, message };
  } finally {
    if (targetFd >= 0) closeSync(targetFd);
  }
}
