import { Buffer } from "node:buffer";
import { ARRAY, ARRAY_END, COLON, JsonFault, JsonScanner, OBJECT, OBJECT_END, QUOTE } from "./json-scan.ts";

/** One step into a JSON value: a member's name (of an array, where it is a number, an index), an index, or every item. */
export type PathStep =
  | { readonly name: Buffer; readonly index: number | undefined }
  | { readonly index: number }
  | "items";

/** A value that a path leads to: a string without its quotes and escapes, anything else as it is written. */
export interface JsonValue {
  readonly bytes: Buffer;
  readonly kind: "string" | "number" | "other";
}

const STEP = /\.([^.[]+)|\[(\d+|\*)\]|\[("(?:[^"\\]|\\.)*")\]/y;

/**
 * Reads `.name`, `[0]`, `[*]` (every item) and `["any name"]`, a JSON string, one after the other, to the end of
 * the text. Undefined when it is none of that.
 */
export function parsePath(text: string): PathStep[] | undefined {
  const steps: PathStep[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < text.length) {
    const [step, name, index, quoted] = STEP.exec(text) ?? [];
    if (step === undefined) return undefined;
    if (index !== undefined) steps.push(index === "*" ? "items" : { index: Number(index) });
    else {
      const plain = name ?? unquoted(quoted as string);
      if (plain === undefined) return undefined;
      steps.push({
        name: Buffer.from(plain),
        index: name !== undefined && /^\d+$/.test(name) ? Number(name) : undefined,
      });
    }
  }
  return steps;
}

/** The text of a JSON string; undefined when it is none. */
export function unquoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

/** Finds what paths lead to in JSON text. One serves any number of texts. */
export class JsonPathReader {
  readonly #scanner = new JsonScanner();
  #path: readonly PathStep[] = [];
  #found: JsonValue[] = [];

  /**
   * All values that the path leads to, several where a name is repeated or `[*]` stands in it; none where the text is
   * not JSON from end to end. What is no object and no array is not looked at: it leads nowhere.
   */
  values(text: Buffer, path: readonly PathStep[]): readonly JsonValue[] {
    const scanner = this.#scanner;
    scanner.open(text, 0, text.length);
    const first = scanner.peek();
    this.#found = [];
    if (first !== OBJECT && first !== ARRAY) return this.#found;
    this.#path = path;
    try {
      this.#walk(0);
      scanner.finish();
    } catch (error) {
      if (!(error instanceof JsonFault)) throw error;
      return [];
    }
    return this.#found;
  }

  #walk(depth: number): void {
    const scanner = this.#scanner;
    const byte = scanner.peek();
    const step = this.#path[depth];
    if (step === undefined) this.#take(byte);
    else if (byte === OBJECT && step !== "items" && "name" in step) this.#members(step.name, depth + 1);
    else if (byte === ARRAY && step === "items") this.#items(undefined, depth + 1);
    else if (byte === ARRAY && step !== "items" && step.index !== undefined)
      this.#items(step.index, depth + 1);
    else scanner.value();
  }

  #take(byte: number): void {
    const scanner = this.#scanner;
    if (byte === QUOTE) {
      scanner.string();
      this.#found.push({ bytes: scanner.bytes(), kind: "string" });
      return;
    }
    scanner.value();
    const kind = byte === 0x2d || (byte >= 0x30 && byte <= 0x39) ? "number" : "other";
    this.#found.push({ bytes: scanner.source.subarray(scanner.start, scanner.at), kind });
  }

  #members(name: Buffer, depth: number): void {
    const scanner = this.#scanner;
    scanner.at++;
    if (scanner.peek() === OBJECT_END) {
      scanner.at++;
      return;
    }
    do {
      scanner.string();
      const isIt = this.#stringIs(name);
      scanner.expect(COLON);
      if (isIt) this.#walk(depth);
      else scanner.value();
    } while (scanner.more(OBJECT_END));
  }

  /** `wanted`: the index of an item; undefined for each. */
  #items(wanted: number | undefined, depth: number): void {
    const scanner = this.#scanner;
    scanner.at++;
    if (scanner.peek() === ARRAY_END) {
      scanner.at++;
      return;
    }
    let index = 0;
    do {
      if (wanted === undefined || wanted === index) this.#walk(depth);
      else scanner.value();
      index++;
    } while (scanner.more(ARRAY_END));
  }

  #stringIs(name: Buffer): boolean {
    const { source, start, stop, length } = this.#scanner;
    if (length !== name.length) return false;
    if (length < stop - start) return this.#scanner.bytes().equals(name);
    return name.compare(source, start, stop) === 0;
  }
}
