/** The loaders' koffi. */

export { koffi } from '../koffi.ts';
