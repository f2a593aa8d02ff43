/** Version of this package, as written into manifests. A unit test keeps it equal to package.json. */
export const WALLA_VERSION = '0.1.0';
