/** One thing that the doctor looked at. */
export interface Check {
  name: string;
  /** `stops`: a job would end in an error here; `warns`: it runs, but not as well as it could. */
  status: 'ok' | 'warns' | 'stops';
  /** What was found, with numbers. */
  found: string;
  /** What to type to mend it. */
  hint?: string | undefined;
  /** The same for scripts. */
  data?: Record<string, unknown>;
}

/** What the doctor is asked about. */
export interface Subject {
  /** Absolute path of the program; undefined: none was named. */
  entry: string | undefined;
  /** Directory of the program, else the working directory. */
  directory: string;
  env: NodeJS.ProcessEnv;
}

/** Turns a failure of looking into a finding. */
export function stopped(name: string, error: unknown): Check {
  const { message, hint } = error as { message?: string; hint?: string };
  return { name, status: 'stops', found: message ?? String(error), hint };
}
