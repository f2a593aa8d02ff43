import { which } from '../mpi/launch.ts';

/** The Chromium of this machine, if it has one. */
export const chromiumPath = ['chromium', 'chromium-browser', 'google-chrome']
  .map(which)
  .find((path) => path !== undefined);
