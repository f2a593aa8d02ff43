/** What is delivered to dist, and of which sources it is made. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { COMPILE, MPI_DEFINES, SHARED, SMALL } from './flags.mjs';
import { native, root } from './layout.mjs';
import { findMpiCompiler, MPI_NAMES } from './mpi-compilers.mjs';
import { link } from './products.mjs';
import { sourcesIn, withNeeded } from './sources.mjs';
import { run } from './tools.mjs';

const shadow = join(native, 'src', 'collfs-shadow');
/** The core as JavaScript sees it, alone and in the addon of each MPI. */
const coreBinding = () => sourcesIn(join(native, 'binding'), /^walla_binding/);

/** Builds the artefacts of one machine type. */
export class Artefacts {
  #tool;
  #floor;
  #napi;
  #override;
  #output;
  #say;

  /**
   * @param setting.tool the C++ compiler
   * @param setting.floor what floorOf says
   * @param setting.napi flags of what includes napi.h
   * @param setting.override an MPI compiler for its kind of MPI
   * @param setting.output directory to deliver to
   * @param setting.say takes a line about each artefact
   */
  constructor({ tool, floor, napi, override, output, say }) {
    this.#tool = tool;
    this.#floor = floor;
    this.#napi = napi;
    this.#override = override;
    this.#output = output;
    this.#say = say;
  }

  async core() {
    const sources = withNeeded([join(native, 'binding', 'core_addon.cpp'), ...coreBinding()]);
    const units = sources.map((source) => this.#unit(source));
    await this.#addon(this.#tool, units, 'walla');
  }

  async mpi(abi) {
    const name = `mpi-${abi}`;
    const tool = await this.#mpiCompiler(abi, `${name}.node`);
    if (!tool) return;
    const own = [
      ...sourcesIn(join(native, 'src', 'mpi')),
      join(native, 'binding', 'mpi_binding.cpp'),
    ];
    // What includes mpi.h is built once for each MPI, the rest once for all artefacts.
    const units = withNeeded([...own, ...coreBinding()]).map((source) =>
      own.includes(source) ? this.#mpiUnit(tool, source) : this.#unit(source),
    );
    await this.#addon(tool, units, name);
  }

  /** libcollfs for one MPI, with a pkg-config file that finds it and its header wherever the package lies. */
  async collfs(abi) {
    const artefact = `libcollfs-${abi}.so`;
    const tool = await this.#mpiCompiler(abi, artefact);
    if (!tool) return;
    const directory = join(native, 'src', 'collfs');
    const withMpi = new Set([directory, join(native, 'src', 'mpi')]);
    const units = withNeeded(sourcesIn(directory)).map((source) =>
      withMpi.has(dirname(source)) ? this.#mpiUnit(tool, source) : this.#unit(source),
    );
    await this.#shared(tool, units, artefact, [`-Wl,-soname,${artefact}`]);
    this.#pkgConfig(abi, directory);
    await Promise.all([this.#collfsStage(abi, tool), this.#collfsAddon(abi, tool)]);
  }

  #pkgConfig(abi, headers) {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const directory = join(this.#output, 'pkgconfig');
    const description = [
      'libdir=${pcfiledir}/..',
      `includedir=\${pcfiledir}/${relative(directory, headers)}`,
      '',
      `Name: collfs-${abi}`,
      `Description: collective file operations over ${MPI_NAMES[abi]}`,
      `Version: ${version}`,
      'Cflags: -I${includedir}',
      `Libs: -L\${libdir} -Wl,-rpath,\${libdir} -lcollfs-${abi}`,
      '',
    ].join('\n');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `collfs-${abi}.pc`), description);
  }

  /** The program that fills the stages, which finds the libcollfs beside it. */
  async #collfsStage(abi, tool) {
    const main = join(shadow, 'stage.cpp');
    const units = withNeeded([main]).map((source) =>
      source === main ? this.#mpiUnit(tool, source) : this.#unit(source),
    );
    const libraries = [`-L${this.#output}`, `-lcollfs-${abi}`, '-Wl,-rpath,$ORIGIN', '-lstdc++'];
    this.#deliver(
      await link(tool, units, ['-s', '-pthread', ...libraries]),
      join(this.#output, `collfs-stage-${abi}`),
    );
  }

  /** The addon of `walla/collfs`, which finds the libcollfs beside it: one for whatever of the process uses it. */
  async #collfsAddon(abi, tool) {
    const main = join(native, 'binding', 'collfs_binding.cpp');
    const units = withNeeded([main]).map((source) =>
      source === main ? this.#mpiUnit(tool, source) : this.#unit(source),
    );
    const libraries = [`-L${this.#output}`, `-lcollfs-${abi}`, '-Wl,-rpath,$ORIGIN'];
    await this.#shared(tool, units, `collfs-${abi}.node`, libraries);
  }

  /**
   * What LD_PRELOAD loads into every process, so with little besides, too. It knows MPI by what all of them
   * have in common, and loads the libcollfs for the one it meets.
   */
  async collfsPreload() {
    const units = withNeeded(sourcesIn(join(native, 'src', 'collfs-preload'))).map((source) => ({
      tool: this.#tool,
      source,
      // Call stacks are unwound through it.
      flags: [...COMPILE, '-fno-exceptions', '-fno-rtti', '-fasynchronous-unwind-tables'],
    }));
    const libraries = ['-ldl', '-lc', '-lgcc', '-lgcc_eh', '-lc'];
    const flags = ['-shared', '-s', '-nodefaultlibs', '-Wl,-z,defs', '-Wl,-z,nodelete'];
    const linked = await link(this.#tool, units, [...flags, ...libraries]);
    this.#deliver(linked, join(this.#output, 'libcollfs-preload.so'));
  }

  /** What each process loads a copy of: with as little besides as can be, not even libstdc++. */
  async collfsAudit() {
    const units = withNeeded([join(shadow, 'audit.cpp')]).map((source) => ({
      tool: this.#tool,
      source,
      flags: [...COMPILE, '-fno-exceptions', '-fno-rtti'],
    }));
    // Its own libc is looked for before it can help, along the program's RPATH and LD_LIBRARY_PATH on the
    // shared file system, unless an RPATH says where to look first.
    const libc = (await run(this.#tool, ['-print-file-name=libc.so.6'])).trim();
    const rpath = `-Wl,--disable-new-dtags,-rpath,${dirname(realpathSync(libc))}`;
    const { units: more, wraps } = this.#floor;
    const flags = ['-shared', '-s', '-nodefaultlibs', '-Wl,-z,defs', rpath, ...wraps];
    const linked = await link(this.#tool, [...units, ...more], [...flags, '-lc', '-lgcc']);
    this.#deliver(linked, join(this.#output, 'libcollfs-audit.so'));
    this.#deliver(join(shadow, 'collfs-run.sh'), join(this.#output, 'collfs-run'));
  }

  /** A unit of the native core: plain for native/src, with Node-API for native/binding. */
  #unit(source) {
    const binding = source.startsWith(join(native, 'binding'));
    return {
      tool: this.#tool,
      source,
      flags: binding ? [...COMPILE, SMALL, ...this.#napi] : COMPILE,
    };
  }

  #mpiUnit(tool, source) {
    return { tool, source, flags: [...this.#unit(source).flags, ...MPI_DEFINES] };
  }

  async #mpiCompiler(abi, artefact) {
    const { tool, names } = await findMpiCompiler(abi, this.#override);
    if (!tool)
      this.#say(
        `${artefact}: skipped, no compiler of ${MPI_NAMES[abi]} (looked for ${names.join(', ')})`,
      );
    return tool;
  }

  /** An addon that ranks load stands beside the preload: each directory on the way would be asked for by all of them. */
  async #addon(tool, units, name) {
    const directory = dirname(dirname(this.#output));
    const file = `${name}-${basename(this.#output)}.node`;
    this.#deliver(await this.#linked(tool, units), join(directory, file));
  }

  async #shared(tool, units, name, flags = []) {
    this.#deliver(await this.#linked(tool, units, flags), join(this.#output, name));
  }

  #linked(tool, units, flags = []) {
    const { units: more, libraryUnits, wraps, libraries } = this.#floor;
    return link(
      tool,
      [...units, ...more, ...libraryUnits],
      [...SHARED, ...flags, ...wraps, ...libraries],
    );
  }

  /** Puts an artefact where it belongs, and says so. */
  #deliver(linked, target) {
    const content = readFileSync(linked);
    if (!existsSync(target) || !readFileSync(target).equals(content)) {
      mkdirSync(dirname(target), { recursive: true });
      // Renamed into place, because a process may have the old one mapped.
      const aside = `${target}.${process.pid}`;
      writeFileSync(aside, content, { mode: 0o755 });
      renameSync(aside, target);
    }
    this.#say(`${relative(root, target)}  ${(content.length / 1024).toFixed(0)} KiB`);
  }
}
