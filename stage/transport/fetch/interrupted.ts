/** An attempt to download that failed in a way that another attempt may mend. */
export class Interrupted extends Error {
  /** Wait at least so long before the next attempt. */
  readonly afterMs: number;

  constructor(message: string, afterMs = 0) {
    super(message);
    this.name = 'Interrupted';
    this.afterMs = afterMs;
  }
}
