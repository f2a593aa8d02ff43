/** What the page of a report shows, in a size that does not grow with the job, the program or its archive. */
import type { ProgramSummary, Report, StaleSummary, Staging } from '../report/report.ts';
import type { ArchiveTree } from './archive-tree.ts';

export interface PageData extends Staging {
  /** File that the report was read from. */
  file: string;
  walla: string;
  node: string;
  startedAtMs: number;
  archive: string;
  bytes: number;
  packed: boolean;
  stale?: StaleSummary;
  root: string;
  programs: string[];
  size: number;
  program?: ProgramSummary;
  hits: number;
  packages: PackageCost[];
  modules: ModuleRow[];
  /** Modules that are not in `modules`. */
  otherModules: number;
  misses: MissRow[];
  /** Different misses, with those that are not in `misses`. */
  missCount: number;
  /** What adds the misses to the archive. */
  command: string;
  /** Absent where the archive cannot be read; then `treeProblem` says why. */
  tree?: ArchiveTree;
  treeProblem?: string;
}

/** What the modules of one package took on rank 0. */
export interface PackageCost {
  /** '' for the program's own modules. */
  name: string;
  modules: number;
  bytes: number;
  loadMs: number;
  selfMs: number;
}

export interface ModuleRow {
  path: string;
  kind: 'import' | 'require';
  packed: boolean;
  /** Path of the module that asked first. */
  parent?: string;
  bytes?: number;
  askedMs: number;
  loadMs?: number;
  evaluatedMs?: number;
  selfMs?: number;
  totalMs?: number;
}

export interface MissRow {
  kind: 'import' | 'require' | 'read';
  /** The name, or the path that was read. */
  what: string;
  /** The asking file, and where the name led. */
  parent?: string;
  resolved?: string;
  count: number;
  ranks: string;
}

const MOST_MODULES = 1000;
const MOST_PACKAGES = 100;
const MOST_MISSES = 500;

/**
 * @param file the report's name, for the page
 * @param tree the archive's contents, or why there are none
 */
export function pageData(
  report: Report,
  file: string,
  command: string,
  tree: ArchiveTree | string,
): PageData {
  const { modules, misses } = report;
  const costly = new Set([...modules].sort((a, b) => costOf(b) - costOf(a)).slice(0, MOST_MODULES));
  const shown = modules.filter((module) => costly.has(module));
  const { stale, program, received } = report;
  return {
    file,
    walla: report.walla,
    node: report.node,
    startedAtMs: report.startedAtMs,
    archive: report.archive,
    bytes: report.bytes,
    packed: report.packed,
    ...(stale && { stale }),
    root: report.root,
    programs: report.programs.slice(0, MOST_PACKAGES),
    size: report.size,
    nodes: report.nodes,
    phases: report.phases,
    timeline: report.timeline,
    ...(received && { received }),
    ...(program && { program }),
    hits: report.hits,
    packages: packageCosts(report),
    modules: shown.map(({ parent, ...module }) => {
      const asker = parent === undefined ? undefined : modules[parent]?.path;
      return { ...module, ...(asker !== undefined && { parent: asker }) };
    }),
    otherModules: modules.length - shown.length + report.unlistedModules,
    misses: [...misses]
      .sort((a, b) => b.count - a.count)
      .slice(0, MOST_MISSES)
      .map(missRow),
    missCount: misses.length + report.unlisted,
    command,
    ...(typeof tree === 'string' ? { treeProblem: tree } : { tree }),
  };
}

function costOf({ loadMs = 0, selfMs = 0 }: { loadMs?: number; selfMs?: number }): number {
  return loadMs + selfMs;
}

/** The most expensive ones first. */
function packageCosts({ modules }: Report): PackageCost[] {
  const packages = new Map<string, PackageCost>();
  for (const { path, bytes = 0, loadMs = 0, selfMs = 0 } of modules) {
    const name = packageOf(path);
    const known = packages.get(name) ?? { name, modules: 0, bytes: 0, loadMs: 0, selfMs: 0 };
    known.modules++;
    known.bytes += bytes;
    known.loadMs += loadMs;
    known.selfMs += selfMs;
    packages.set(name, known);
  }
  return [...packages.values()].sort((a, b) => costOf(b) - costOf(a)).slice(0, MOST_PACKAGES);
}

/** The innermost package that a path is in; '' for none. */
export function packageOf(path: string): string {
  const found = /.*(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//s.exec(path);
  return found?.[1] ?? '';
}

function missRow(miss: Report['misses'][number]): MissRow {
  const { count, ranks } = miss;
  if (miss.kind === 'read') return { kind: miss.kind, what: miss.path, count, ranks };
  const { kind, specifier, parent, resolved } = miss;
  return {
    kind,
    what: specifier,
    parent,
    ...(resolved !== undefined && { resolved }),
    count,
    ranks,
  };
}
