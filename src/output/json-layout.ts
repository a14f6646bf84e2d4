import {
  ARRAY,
  ARRAY_END,
  COLON,
  JsonFault,
  JsonScanner,
  MAX_DEPTH,
  OBJECT,
  OBJECT_END,
  QUOTE,
} from "../entry/json-scan.ts";
import { jsonEscape } from "./safe-text.ts";

/** What of JSON is painted how. */
export interface JsonPaint {
  readonly name: (text: string) => string;
  readonly string: (text: string) => string;
  readonly number: (text: string) => string;
  /** true, false and null. */
  readonly word: (text: string) => string;
}

/** Text as it was written, or what stands between two brackets. */
interface Node {
  readonly kind: "string" | "number" | "word" | "object" | "array";
  readonly text: string;
  readonly items: readonly (readonly [name: string | undefined, item: Node])[];
  /** As wide as it is on one line. */
  readonly width: number;
}

/** What is not wider than this stays on one line. */
const INLINE = 72;
const STEP = "  ";
/** Of more than this nobody reads the whole, and it is held in memory. */
const MOST_BYTES = 1024 * 1024;

/**
 * JSON text laid out for people: numbers, escapes and the order and repetition of names as they were written, control
 * characters escaped. Undefined for what is no object or array, no JSON, or more than 1 MiB.
 */
export function layOutJson(text: Buffer, paint: JsonPaint, indent = ""): string | undefined {
  if (text.length > MOST_BYTES) return undefined;
  const scanner = new JsonScanner();
  scanner.open(text, 0, text.length);
  const first = scanner.peek();
  if (first !== OBJECT && first !== ARRAY) return undefined;
  try {
    const node = read(scanner, 0);
    scanner.finish();
    return laidOut(node, paint, indent, INLINE);
  } catch (error) {
    if (error instanceof JsonFault) return undefined;
    throw error;
  }
}

function read(scanner: JsonScanner, depth: number): Node {
  const byte = scanner.peek();
  if (byte === OBJECT) return container(scanner, depth + 1, "object", OBJECT_END);
  if (byte === ARRAY) return container(scanner, depth + 1, "array", ARRAY_END);
  if (byte === QUOTE) {
    scanner.string();
    return leaf("string", quoted(scanner));
  }
  scanner.value();
  const text = scanner.source.toString("latin1", scanner.start, scanner.at);
  return leaf(/^[tfn]/.test(text) ? "word" : "number", text);
}

/** A string as it was written, with its quotes. */
function quoted({ source, start, stop }: JsonScanner): string {
  return jsonEscape(source.toString("utf8", start - 1, stop + 1));
}

function leaf(kind: Node["kind"], text: string): Node {
  return { kind, text, items: [], width: text.length };
}

function container(scanner: JsonScanner, depth: number, kind: "object" | "array", closing: number): Node {
  if (depth > MAX_DEPTH) scanner.fail(`nested deeper than ${MAX_DEPTH}`);
  const items: [string | undefined, Node][] = [];
  let width = 2;
  scanner.at++;
  if (scanner.peek() === closing) scanner.at++;
  else {
    do {
      let name: string | undefined;
      if (kind === "object") {
        scanner.string();
        name = quoted(scanner);
        scanner.expect(COLON);
      }
      const item = read(scanner, depth);
      items.push([name, item]);
      width += (name === undefined ? 0 : name.length + 2) + item.width + 2;
    } while (scanner.more(closing));
  }
  return { kind, text: "", items, width };
}

function laidOut(node: Node, paint: JsonPaint, indent: string, room: number): string {
  if (node.kind !== "object" && node.kind !== "array") return paint[node.kind](node.text);
  const [open, close] = node.kind === "object" ? ["{", "}"] : ["[", "]"];
  if (node.items.length === 0) return open + close;
  const inside = indent + STEP;
  const inline = node.width <= room;
  const parts = node.items.map(([name, item]) => {
    const value = laidOut(item, paint, inside, inline ? Number.POSITIVE_INFINITY : INLINE);
    return name === undefined ? value : `${paint.name(name)}: ${value}`;
  });
  if (inline) return `${open}${parts.join(", ")}${close}`;
  return `${open}\n${parts.map((part) => inside + part).join(",\n")}\n${indent}${close}`;
}
