/**
 * Text from messages, made harmless for a terminal: control characters (C0, DEL, C1) and the Unicode
 * marks that reorder text are shown as escapes, never sent.
 */
export function safeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** JSON of any value on one line, harmless for a terminal, too: what JSON leaves as it is becomes `\uXXXX`. */
export function safeJson(value: unknown): string {
  return jsonEscape(JSON.stringify(value));
}

/** The same for JSON that is there as text, line ends aside. */
export function jsonEscape(json: string): string {
  return json.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// oxlint-disable-next-line no-control-regex -- these are the characters to escape
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const short = { 9: "\\t", 10: "\\n", 13: "\\r", 27: "\\e" }[code];
  return short ?? (code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`);
}

/** The same of no more than `most` bytes, and how many there are when that is not all. */
export function shortBytes(bytes: Buffer, most: number): string {
  if (bytes.length <= most) return safeBytes(bytes);
  return `${safeBytes(cutAtCharacter(bytes, most))}… (${bytes.length} bytes)`;
}

/** The first `length` bytes, less the part of a UTF-8 character that was cut in two. */
export function cutAtCharacter(bytes: Buffer, length: number): Buffer {
  let end = length;
  while (end > length - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** Bytes from messages for a terminal: UTF-8 where they are, else escaped byte by byte. */
export function safeBytes(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd")) return safeText(text);
  return safeText(bytes.toString("latin1")).replace(/[\u00a0-\u00ff]/g, escapeCharacter);
}
