/** Answers that root alone finds, by code of any kind. */

import { deserialize, serialize } from 'node:v8';

import { translated } from './errors.ts';
import { perform } from './counters.ts';
import { independently, top } from './stack.ts';

type Answer<T> = { value: T } | { failure: Failure };

interface Failure {
  message: string;
  name: string;
  properties: Record<string, unknown>;
}

const NOTHING = new Uint8Array(0);

/** An error without what cannot be sent. */
function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), name: 'Error', properties: {} };
  const properties = Object.entries(error).filter(
    ([, value]) => ['string', 'number', 'undefined'].includes(typeof value) || Array.isArray(value),
  );
  const { message, name } = error;
  return { message, name, properties: Object.fromEntries(properties) };
}

function attempt<T>(work: () => T): Answer<T> {
  try {
    return { value: work() };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

/**
 * Runs `work` on root, where nothing it does is collective; collective.
 * @param question what is compared between ranks
 * @returns the result on all ranks, by way of a structured clone
 * @throws root's error, the same on all ranks; CollfsError
 */
export function onRoot<T>(question: string, work: () => T): T {
  return perform(
    'share',
    (addon) => {
      const level = top();
      const isRoot = level?.comm.rank === level?.root;
      const own = isRoot ? serialize(independently(() => attempt(work))) : NOTHING;
      const bytes = translated('share', undefined, () => addon.share(question, own));
      const answer = deserialize(bytes) as Answer<T>;
      if ('value' in answer) return answer.value;
      const { message, name, properties } = answer.failure;
      const error = Object.assign(new Error(message), properties);
      if (name !== 'Error')
        Object.defineProperty(error, 'name', { value: name, configurable: true });
      throw error;
    },
    () => independently(work),
  );
}
