/** The files of a report. No process waits for another here: whoever ends adds its part, and sums up what is there. */
import fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeDirectories } from '../make-directories.ts';
import { mergeParts } from './merge.ts';
import {
  partsDirectory,
  type Report,
  REPORT_FORMAT,
  type ReportedJob,
  type ReportPart,
} from './report.ts';

// As they are before the program starts: it may replace what it finds in `fs`.
const { appendFileSync, readdirSync, readFileSync } = fs;
const { existsSync, renameSync, rmSync, statSync, writeFileSync } = fs;

const JOB = 'job.json';
const PART = '.jsonl';
/** Others may add parts while one sums up; whoever comes last sees all. */
const MOST_ROUNDS = 10;

/**
 * Removes the report of an earlier run and begins a new one.
 * @returns the time at which the job began by the clock of the report's file system, in milliseconds
 * @throws errors of the file system
 */
export function beginReport(file: string, job: ReportedJob): number {
  rmSync(file, { force: true });
  makeDirectories(partsDirectory(file));
  for (const name of readdirSync(partsDirectory(file)))
    if (name.endsWith(PART)) rmSync(join(partsDirectory(file), name), { force: true });
  writeJob(file, job);
  return statSync(join(partsDirectory(file), JOB)).mtimeMs;
}

export function writeJob(file: string, job: ReportedJob): void {
  writeWhole(join(partsDirectory(file), JOB), `${JSON.stringify(job)}\n`);
}

/** Adds one line to the file of this node: as many files as nodes, and appends of one node do not mix. */
export function addPart(file: string, part: ReportPart): void {
  appendFileSync(join(partsDirectory(file), `${hostname()}${PART}`), `${JSON.stringify(part)}\n`);
}

/** Whether somebody has summed up already. */
export function isSummedUp(file: string): boolean {
  return existsSync(file);
}

/** Writes the sum of the parts, aside and renamed; again if parts were added meanwhile. */
export function sumUp(file: string): void {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const before = partSizes(file);
    writeWhole(file, `${JSON.stringify(readParts(file), null, 2)}\n`);
    if (partSizes(file) === before) return;
  }
}

/**
 * The sum of the parts.
 * @throws errors of the file system; SyntaxError where job.json is none
 */
export function readParts(file: string): Report {
  const directory = partsDirectory(file);
  const job = JSON.parse(readFileSync(join(directory, JOB), 'utf8')) as ReportedJob;
  const parts = partNames(directory).flatMap((name) =>
    readFileSync(join(directory, name), 'utf8').split('\n').flatMap(parsePart),
  );
  return mergeParts(job, parts);
}

/** Whether a value that was read as JSON is a report. */
export function isReport(value: unknown): value is Report {
  const { format, root, programs, phases, timeline, misses, modules } = (value ??
    {}) as Partial<Report>;
  return (
    format === REPORT_FORMAT &&
    typeof root === 'string' &&
    typeof phases === 'object' &&
    [programs, timeline, misses, modules].every(Array.isArray)
  );
}

/** A line that a full file system cut off says nothing. */
function parsePart(line: string): ReportPart[] {
  try {
    return [JSON.parse(line) as ReportPart];
  } catch {
    return [];
  }
}

function partNames(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(PART))
    .sort();
}

function partSizes(file: string): string {
  const directory = partsDirectory(file);
  return partNames(directory)
    .map((name) => `${name}:${statSync(join(directory, name)).size}`)
    .join();
}

function writeWhole(file: string, text: string): void {
  const aside = `${file}.${hostname()}-${process.pid}`;
  writeFileSync(aside, text);
  renameSync(aside, file);
}
