/** What a `files` input is watched for beside its files: the folders of its patterns. */

import { listFiles } from './file-patterns.ts';
import type { FilesInput } from './input-files.ts';
import { watchPatterns } from './reload/watch-patterns.ts';

/** For `watchFiles`. */
export const patternsOf =
  (input: FilesInput) =>
  (onChange: () => void): (() => void) =>
    watchPatterns(input, listFiles, onChange);
