import { Buffer } from "node:buffer";
import type { EntryDraft } from "./entry-draft.ts";
import { parseEntryId } from "./id.ts";
import { ARRAY, ARRAY_END, COLON, JsonScanner, OBJECT, OBJECT_END, QUOTE } from "./json-scan.ts";

const COMMA = 0x2c;

/**
 * Reads JSON lines into drafts of entries, in two forms. Keys and items keep the order in which they are
 * written, and repeated keys are repeated fields, because nothing becomes a JavaScript object. Anything
 * else than what is described throws JsonFault.
 */
export class JsonDecoder {
  readonly #scanner = new JsonScanner();

  /**
   * Any JSON object, one field per key: a string is its unescaped UTF-8 bytes, every other value is the
   * exact text of the line (`1.10`, a 64-bit integer, a nested object with its spacing).
   */
  object(line: Buffer, begin: number, end: number, draft: EntryDraft): void {
    const scanner = this.#scanner;
    scanner.open(line, begin, end);
    draft.open(line);
    this.#mustBeObject();
    scanner.at++;
    if (scanner.peek() === OBJECT_END) scanner.fail("an object without keys: an entry needs a field");
    do {
      this.#addString(draft);
      scanner.expect(COLON);
      if (scanner.peek() === QUOTE) this.#addString(draft);
      else {
        scanner.value();
        draft.addFromLine(scanner.start, scanner.at);
      }
    } while (scanner.more(OBJECT_END));
    scanner.finish();
  }

  /**
   * The form in which streamctl prints entries: `{"id":"…","fields":{"a":"1"}}` or
   * `"fields":[["a","1"],["a","2"]]`, where a value (in pairs also a name) that is not UTF-8 is
   * `{"base64":"…"}`. Other keys are ignored. The ID is optional, and must be a whole one.
   */
  entry(line: Buffer, begin: number, end: number, draft: EntryDraft): void {
    const scanner = this.#scanner;
    scanner.open(line, begin, end);
    draft.open(line);
    this.#mustBeObject();
    const start = scanner.at++;
    if (scanner.peek() === OBJECT_END) scanner.fail('no "fields" in this entry', start);
    do {
      scanner.string();
      const key = scanner.text();
      scanner.expect(COLON);
      if (key === "fields") this.#fields(draft);
      else if (key === "id") draft.id = this.#id();
      else scanner.value();
    } while (scanner.more(OBJECT_END));
    scanner.finish();
    if (draft.count === 0) scanner.fail('no "fields" in this entry', start);
  }

  #mustBeObject(): void {
    const first = this.#scanner.peek();
    if (first === OBJECT) return;
    // A file that is one array is what jq, many programs and -o json write.
    const array = first === ARRAY ? " a line, not an array: jq -c '.[]' makes lines of one" : "";
    this.#scanner.fail(`expected a JSON object${array}`);
  }

  #id(): string {
    const scanner = this.#scanner;
    if (scanner.peek() !== QUOTE) scanner.fail('"id" must be a string');
    scanner.string();
    const text = scanner.text();
    const id = text.includes("-") ? parseEntryId(text) : undefined;
    return id ?? scanner.fail('"id" is not an entry ID like 1694012345678-0', scanner.start);
  }

  #fields(draft: EntryDraft): void {
    const scanner = this.#scanner;
    const first = scanner.peek();
    if (draft.count > 0) scanner.fail('"fields" stands there twice');
    if (first !== OBJECT && first !== ARRAY) scanner.fail('"fields" must be an object or an array of pairs');
    const closing = first === OBJECT ? OBJECT_END : ARRAY_END;
    scanner.at++;
    if (scanner.peek() === closing) scanner.fail('"fields" is empty: an entry needs a field');
    do {
      if (first === OBJECT) {
        this.#addString(draft);
        scanner.expect(COLON);
        this.#addValue(draft);
      } else this.#addPair(draft);
    } while (scanner.more(closing));
  }

  #addPair(draft: EntryDraft): void {
    const scanner = this.#scanner;
    scanner.expect(ARRAY);
    this.#addValue(draft);
    scanner.expect(COMMA);
    this.#addValue(draft);
    scanner.expect(ARRAY_END);
  }

  #addString(draft: EntryDraft): void {
    const scanner = this.#scanner;
    scanner.string();
    if (scanner.loneSurrogate >= 0)
      scanner.fail("half a surrogate pair: no UTF-8 stands for it", scanner.loneSurrogate);
    draft.addFromLine(scanner.start, scanner.stop, scanner.length);
  }

  /** A string, or `{"base64":"…"}`. */
  #addValue(draft: EntryDraft): void {
    const scanner = this.#scanner;
    const first = scanner.peek();
    if (first === QUOTE) return this.#addString(draft);
    if (first !== OBJECT) scanner.fail('expected a string or {"base64":"…"}');
    scanner.at++;
    scanner.string();
    if (scanner.text() !== "base64") scanner.fail('expected the key "base64"', scanner.start);
    scanner.expect(COLON);
    this.#addBase64(draft);
    scanner.expect(OBJECT_END);
  }

  /** Left in the line until it is written, so that a large value is held once. */
  #addBase64(draft: EntryDraft): void {
    const scanner = this.#scanner;
    scanner.string();
    const { start, stop } = scanner;
    if (scanner.length === stop - start) {
      const length = base64Length(scanner.source, start, stop) ?? scanner.fail("not base64", start);
      draft.addBase64FromLine(start, stop, length);
      return;
    }
    // Escapes, which no program writes there.
    const text = scanner.bytes();
    if (base64Length(text, 0, text.length) === undefined) scanner.fail("not base64", start);
    draft.addBytes(Buffer.from(text.latin1Slice(), "base64"));
  }
}

/** How many bytes a base64 text stands for; undefined when it is none. */
function base64Length(source: Buffer, start: number, stop: number): number | undefined {
  const length = stop - start;
  if (length % 4 !== 0) return undefined;
  let end = stop;
  while (end > start && stop - end < 2 && source[end - 1] === EQUALS) end--;
  for (let at = start; at < end; at++) if (IN_BASE64[source[at] as number] === 0) return undefined;
  return (length / 4) * 3 - (stop - end);
}

const EQUALS = 0x3d;
const IN_BASE64 = new Uint8Array(256);
for (const letter of Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
  IN_BASE64[letter] = 1;
