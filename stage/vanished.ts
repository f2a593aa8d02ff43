import { WallaError } from './errors.ts';

/** Somebody who may do so, an administrator or another program of the user, has removed what is in use. */
export function vanished(path: string): WallaError {
  return new WallaError('ERR_WALLA_STAGING_DIRECTORY', `${path} was removed while it was in use`, {
    hint: 'start the job again; or set WALLA_DIR to a node-local directory that nobody clears',
  });
}
