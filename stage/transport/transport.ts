/** How an image gets from the root to the node leaders. */
import type { Communicator } from '../../native/communicator.ts';

export interface Transfer {
  /** Opens what the root sends: called on the root alone. */
  source: () => number;
  /** Where this leader receives: a file of the full size, or -1 when its node has the image already. */
  targetFd: number;
  /** Size of the image. */
  bytes: number;
  /** Where the digest starts. */
  hashFrom: number;
}

/**
 * Collective over the leaders. The root is leader 0.
 * @returns hex SHA-256 of what arrived, from `hashFrom` on; undefined when this leader took no part
 */
export type Transport = (leaders: Communicator, transfer: Transfer) => string | undefined;
