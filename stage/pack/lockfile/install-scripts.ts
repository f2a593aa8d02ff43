/** Packages that npm would run a script of when it installs them, which packing never does. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { WallaError } from '../../errors.ts';
import type { LockedPackage } from './lock-file.ts';
import type { Machine } from './wanted-packages.ts';

/** How many packages a message names. */
const NAMED = 5;

/**
 * @param scripted packages with an install script, and where they are unpacked
 * @param all every package that is there
 * @throws WallaError ERR_WALLA_INSTALL_SCRIPT for those that the program uses and that have nothing prebuilt
 */
export function refuseInstallScripts(
  scripted: { one: LockedPackage; directory: string }[],
  all: LockedPackage[],
  machine: Machine,
): void {
  const lacking = scripted.filter(
    ({ one, directory }) => !isPrebuilt(directory, machine) && !hasPlatformPackage(one, all),
  );
  if (lacking.length === 0) return;
  const named = lacking
    .slice(0, NAMED)
    .map(({ one }) => `${one.name}@${one.version} (${one.location})`);
  const more = lacking.length > NAMED ? ` and ${lacking.length - NAMED} more` : '';
  throw new WallaError(
    'ERR_WALLA_INSTALL_SCRIPT',
    `${named.join(', ')}${more} need${lacking.length === 1 ? 's' : ''} an install script, ` +
      `and nothing is prebuilt in ${lacking.length === 1 ? 'it' : 'them'} for ${machine.os} ${machine.cpu}`,
  );
}

/** `prebuilds/linux-x64/…`, where node-gyp-build and prebuildify look. */
function isPrebuilt(directory: string, { os, cpu }: Machine): boolean {
  const prebuilds = join(directory, 'prebuilds');
  if (!existsSync(prebuilds)) return false;
  return readdirSync(prebuilds).some((name) => {
    const [platform, ...archs] = name.split('-');
    const holds = () => readdirSync(join(prebuilds, name)).some((file) => file.endsWith('.node'));
    return platform === os && archs.join('-').split('+').includes(cpu) && holds();
  });
}

/** An optional package of its own that is made for this machine, since others were left out. */
function hasPlatformPackage(one: LockedPackage, all: LockedPackage[]): boolean {
  const names = new Set(one.optionalDependencies);
  return all.some(({ name, os, cpu }) => names.has(name) && os.length + cpu.length > 0);
}
