/** Links an object, to other libraries too where there are some. */

import type { Linking } from './linking.ts';
import type { LinkRequest, Loader } from './loader/loader.ts';
import { assertPlainStack } from './objects/plain-stack.ts';
import { languageOf } from './objects/read-objects.ts';

/** The image, what was linked in the end, and what that was found out from; `linked` is null without other libraries. */
export async function linkTo(linking: Linking | null, loader: Loader, link: LinkRequest) {
  assertPlainStack(link);
  if (linking === null) return { image: await loader.link(link), link, linked: null, holds: [] };
  const { library, object } = link;
  const { linkLibraries } = await import('./link-libraries.ts');
  const linked = await linkLibraries(link, linking, object);
  const { importing, openImports, linkWithImports } = await import('./open-imports.ts');
  const imports = openImports(library, linking, linked.imports);
  const brings = link.language === 'c' && linked.object !== object;
  const language = brings ? languageOf([linked.object]) : link.language;
  const request = importing({ ...link, object: linked.object, language, known: linked.known }, imports);
  const image = await linkWithImports(loader, request, imports);
  return { image, link: request, linked, holds: imports.holds };
}
