/** Where this package is. The folder is one level up from here in `src/`, and from the flat bundle in `dist/` too. */

export const PACKAGE_ROOT: URL = new URL('..', import.meta.url);
