/** How an image gets from where the archive is to the node leaders. docs/transports.md says which is for what. */
import type { Communicator } from '../../native/communicator.ts';

export type TransportName = 'mpi' | 'file' | 'http' | 'self';

/** Told how far the transfer is, some times a second. */
export type OnBytes = (doneBytes: number, bytes: number) => void;

export interface Transfer {
  /**
   * Opens what this leader sends or copies, and has it closed later. `mpi` and `self` call it on the root, `file` on
   * every leader, `http` on the root.
   */
  source: () => number;
  /** Where this leader receives: a file of the full size, or -1 when its node has the image already. */
  targetFd: number;
  /** Size of the image. */
  bytes: number;
  /** Where the digest starts. */
  hashFrom: number;
  /** URL with its credentials: for `http`. */
  url: string | undefined;
  /** How long a server may be silent: for `http`. */
  timeoutMs: number;
  /** Leader 0's, where somebody watches; `http` tells nothing. */
  onBytes: OnBytes | undefined;
}

/**
 * Collective over the leaders. The root is leader 0.
 * @returns digest of the pieces of what arrived, from `hashFrom` on; undefined when this leader took no part. The caller
 *   compares it.
 * @throws on one leader or on all; the caller agrees on the outcome. Targets are then incomplete.
 */
export type Transport = (leaders: Communicator, transfer: Transfer) => string | undefined;
