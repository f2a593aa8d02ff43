/** Where a process adds its part to the report of its job. */
export interface ReportPlace {
  /** Absolute path of the report. */
  file: string;
  /** The rank that this process is, or was started by. */
  rank: number;
  /** Number of ranks. */
  size: number;
  /** When the job began, by the clock of the report's file system; milliseconds. */
  startedMs: number;
}
