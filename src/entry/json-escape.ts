import type { Buffer } from "node:buffer";

export const BACKSLASH = 0x5c;

/** The character that a one-letter escape stands for; 0 where there is no such escape. */
export const SHORT_ESCAPES = new Uint8Array(256);
for (const [letter, code] of Object.entries({ b: 8, f: 12, n: 10, r: 13, t: 9, '"': 34, "/": 47, "\\": 92 }))
  SHORT_ESCAPES[letter.charCodeAt(0)] = code;

/**
 * Writes the unescaped form of a string that a scanner has passed (and found free of lone surrogates)
 * into `target`; returns the offset after it. Room for `length` bytes must be there.
 */
export function unescapeInto(
  source: Buffer,
  start: number,
  stop: number,
  target: Buffer,
  offset: number,
): number {
  let to = offset;
  let at = start;
  while (at < stop) {
    const byte = source[at] as number;
    if (byte !== BACKSLASH) {
      target[to++] = byte;
      at++;
      continue;
    }
    const letter = source[at + 1] as number;
    if (letter !== 0x75) {
      target[to++] = SHORT_ESCAPES[letter] as number;
      at += 2;
      continue;
    }
    let code = hexUnit(source, at + 2);
    at += 6;
    if (code >= 0xd800 && code < 0xdc00) {
      code = 0x10000 + ((code - 0xd800) << 10) + hexUnit(source, at + 2) - 0xdc00;
      at += 6;
    }
    to = putCodePoint(code, target, to);
  }
  return to;
}

function putCodePoint(code: number, target: Buffer, offset: number): number {
  let to = offset;
  if (code < 0x80) target[to++] = code;
  else if (code < 0x800) {
    target[to++] = 0xc0 | (code >> 6);
    target[to++] = 0x80 | (code & 0x3f);
  } else {
    if (code < 0x10000) target[to++] = 0xe0 | (code >> 12);
    else {
      target[to++] = 0xf0 | (code >> 18);
      target[to++] = 0x80 | ((code >> 12) & 0x3f);
    }
    target[to++] = 0x80 | ((code >> 6) & 0x3f);
    target[to++] = 0x80 | (code & 0x3f);
  }
  return to;
}

/** Four hexadecimal digits as a number; -1 when they are none. */
export function hexUnit(source: Buffer, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = source[i] as number;
    let digit = -1;
    if (byte >= 0x30 && byte <= 0x39) digit = byte - 0x30;
    else if ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66) digit = (byte | 0x20) - 0x57;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}
