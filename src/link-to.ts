/** Links an object, to other libraries too where there are some. */

import type { Linked } from './link-libraries.ts';
import type { Hold, Linking } from './linking.ts';
import type { LinkRequest, LoadedImage, Loader } from './loader/loader.ts';
import { assertPlainStack } from './objects/plain-stack.ts';
import { languageOf } from './objects/read-objects.ts';

/** An image, what was linked in the end, and what that was found out from. */
export interface LinkedTo {
  readonly image: LoadedImage;
  readonly link: LinkRequest;
  /** Null without other libraries. */
  readonly linked: Linked | null;
  readonly holds: readonly Hold[];
}

/** @throws as the loader, and as {@link linkLibraries}. */
export async function linkTo(linking: Linking | null, loader: Loader, link: LinkRequest): Promise<LinkedTo> {
  assertPlainStack(link);
  if (linking === null) return { image: await loader.link(link), link, linked: null, holds: [] };
  if (!linking.resolve) return linkToNamed(linking, loader, link);
  const { linkResolving } = await import('./resolve.ts');
  return linkResolving(linking, link, (more) => linkToNamed(more, loader, link));
}

/** To what is named. */
async function linkToNamed(
  linking: Linking,
  loader: Loader,
  link: LinkRequest,
): Promise<LinkedTo & { linked: Linked }> {
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
