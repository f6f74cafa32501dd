/** SHA-256, without what node:crypto costs a start. */

import type { Hash } from 'node:crypto';
import { koffi } from './koffi.ts';

const OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

type Digest = (content: Uint8Array) => string;

/** Loaded when it is needed. */
const crypto = () => process.getBuiltinModule('node:crypto');

/**
 * By the OpenSSL that is in node for every addon to use: to load node:crypto takes 1.8 ms, of a start of 60. Null where
 * it isn't there, or is something else.
 */
function findOpenSsl(): Digest | null {
  try {
    const sha256 = koffi.load(null).func('SHA256', 'void *', ['const void *', 'size_t', 'void *']);
    const out = Buffer.alloc(32);
    const digest: Digest = (content) => {
      sha256(content, content.byteLength, out);
      return out.toString('hex');
    };
    return digest(new Uint8Array()) === OF_NOTHING ? digest : null;
  } catch {
    return null;
  }
}

const digest: Digest = findOpenSsl() ?? ((content) => crypto().hash('sha256', content));

/** The digest of a text's UTF-8, or of bytes, as 64 hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  return digest(typeof content === 'string' ? Buffer.from(content, 'utf8') : content);
}

/** A digest of what comes in parts. */
export function startSha256(): Hash {
  return crypto().createHash('sha256');
}
