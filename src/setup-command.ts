/** What builds the native parts, for messages: in a clone, or where the package is a dependency. */

export const SETUP_COMMAND = import.meta.url.includes('/node_modules/fromsource/')
  ? 'npx fromsource-setup'
  : 'npm run setup';
