import type { Buffer } from "node:buffer";
import { canonicalDecimal, compareDecimals, isWhole } from "../lib/decimal.ts";
import { JsonScanner, MAX_DEPTH } from "./json-scan.ts";

/** A name that stands twice in one object; `path` (a JSON Pointer) says in which. */
export class RepeatedName extends Error {
  readonly path: string;

  constructor(path: string, name: string) {
    super(`the name ${JSON.stringify(name)} is repeated`);
    this.name = "RepeatedName";
    this.path = path;
  }
}

type Key = string | number;
type Container = Record<string, unknown> | unknown[];

/** The texts of numbers that a JavaScript number does not hold, by what they stand in. */
const EXACT = new WeakMap<object, Map<Key, string>>();

/** A number of up to 15 digits and no exponent is held exactly: it reads back as it was written. */
const SURELY_EXACT = 16;

/**
 * Parses JSON text as JSON.parse does, but strictly: a repeated name throws RepeatedName, other faults
 * JsonFault, and the exact text of every number can be asked for (`exactNumber`). A number that JavaScript
 * can't hold becomes one near it that is whole exactly when the text is.
 */
export function parseJson(source: Buffer): unknown {
  return new Parser(source).parse();
}

/** The number that stands in `container` at `key`, as JSON's notation has it. */
export function exactNumber(container: unknown, key: Key, value: number): string {
  const known =
    typeof container === "object" && container !== null ? EXACT.get(container)?.get(key) : undefined;
  return known ?? String(value);
}

/** JSON text with exact numbers. `canonical`: the same for all ways of writing one value. */
export function jsonText(container: unknown, key: Key, value: unknown, canonical = false): string {
  if (typeof value === "number") {
    const text = exactNumber(container, key, value);
    return canonical ? canonicalDecimal(text) : text;
  }
  if (Array.isArray(value))
    return `[${value.map((item, index) => jsonText(value, index, item, canonical)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const names = Object.keys(value);
  if (canonical) names.sort((a, b) => (a < b ? -1 : 1));
  const members = names.map((name) => {
    const member = (value as Record<string, unknown>)[name];
    return `${JSON.stringify(name)}:${jsonText(value, name, member, canonical)}`;
  });
  return `{${members.join(",")}}`;
}

class Parser {
  readonly #source: Buffer;
  readonly #scanner = new JsonScanner();
  /** Where the value stands that is being read. */
  readonly #path: Key[] = [];

  constructor(source: Buffer) {
    this.#source = source;
    this.#scanner.open(source, 0, source.length);
  }

  parse(): unknown {
    const value = this.#read([], 0);
    this.#scanner.finish();
    return value;
  }

  #read(container: Container, key: Key): unknown {
    const scanner = this.#scanner;
    switch (scanner.peek()) {
      case 0x7b:
        return this.#object();
      case 0x5b:
        return this.#array();
      case 0x22:
        scanner.string();
        return scanner.text();
      default: {
        scanner.value();
        const text = this.#source.toString("latin1", scanner.start, scanner.at);
        if (text === "true" || text === "false") return text === "true";
        return text === "null" ? null : readNumber(text, container, key);
      }
    }
  }

  #object(): unknown {
    const scanner = this.#scanner;
    const object: Record<string, unknown> = {};
    if (this.#isEmpty(0x7d)) return object;
    do {
      scanner.string();
      const name = scanner.text();
      if (Object.hasOwn(object, name)) throw new RepeatedName(pointer(this.#path), name);
      scanner.expect(0x3a);
      this.#path.push(name);
      const value = this.#read(object, name);
      this.#path.pop();
      // Not by assignment: a name may be __proto__.
      if (name !== "__proto__") object[name] = value;
      else Object.defineProperty(object, name, { value, enumerable: true });
    } while (scanner.more(0x7d));
    return object;
  }

  #array(): unknown {
    const array: unknown[] = [];
    if (this.#isEmpty(0x5d)) return array;
    do {
      this.#path.push(array.length);
      array.push(this.#read(array, array.length));
      this.#path.pop();
    } while (this.#scanner.more(0x5d));
    return array;
  }

  /** Passes the opening byte, and the closing one where it comes at once. */
  #isEmpty(closing: number): boolean {
    const scanner = this.#scanner;
    if (this.#path.length >= MAX_DEPTH) scanner.fail(`nested deeper than ${MAX_DEPTH}`);
    scanner.at++;
    if (scanner.peek() !== closing) return false;
    scanner.at++;
    return true;
  }
}

/** A JSON Pointer (RFC 6901). */
function pointer(path: readonly Key[]): string {
  return path.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function readNumber(text: string, container: Container, key: Key): number {
  const number = Number(text);
  if (text.length < SURELY_EXACT && !/e/i.test(text)) return number;
  if (Number.isFinite(number) && compareDecimals(text, String(number)) === 0) return number;
  const texts = EXACT.get(container) ?? new Map<Key, string>();
  EXACT.set(container, texts.set(key, text));
  if (!isWhole(text)) return Number.isInteger(number) || !Number.isFinite(number) ? 0.5 : number;
  return Number.isFinite(number) ? number : Math.sign(number) * Number.MAX_VALUE;
}
