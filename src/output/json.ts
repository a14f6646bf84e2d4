import { JsonBytes } from "../entry/json-encode.ts";
import type { Column } from "./column.ts";
import { largeJson, plainJson, writeJson } from "./format.ts";
import { PIECE_BYTES, type PrintFormat } from "./printer.ts";

/** JSON objects, one a line: lines of their own, or items of one array. */
export class JsonObjects {
  readonly out = new JsonBytes(PIECE_BYTES);
  readonly #array: boolean;
  #any = false;
  /** What stands before the text at hand: large values, and what came before them. */
  #large: Iterable<Buffer>[] = [];

  constructor(form: "lines" | "array") {
    this.#array = form === "array";
  }

  /** The next object is written to `out` now. */
  begin(): void {
    if (this.#array) this.out.raw(this.#any ? ",\n" : "[");
    this.#any = true;
  }

  finish(): void {
    if (!this.#array) this.out.byte(0x0a);
  }

  /** Part of an object that is never put together as text. */
  addLarge(pieces: Iterable<Buffer>): void {
    this.#large.push([this.out.take()], pieces);
  }

  get hasLarge(): boolean {
    return this.#large.length > 0;
  }

  *take(): Generator<Buffer, undefined> {
    const large = this.#large;
    this.#large = [];
    for (const pieces of large) yield* pieces;
    yield this.out.take();
  }

  end(): string {
    if (!this.#array) return "";
    return this.#any ? "]\n" : "[]\n";
  }
}

/** A row is an object of its columns. */
export class JsonFormat<Row> implements PrintFormat<Row> {
  readonly #columns: readonly Column<Row>[];
  /** What stands before each value: the name, and what separates it from the value before. */
  readonly #names: readonly string[];
  readonly #objects: JsonObjects;

  constructor(columns: readonly Column<Row>[], form: "lines" | "array") {
    this.#columns = columns;
    this.#names = columns.map(({ key }, index) => `${index === 0 ? "{" : ","}"${key}":`);
    this.#objects = new JsonObjects(form);
  }

  get full(): boolean {
    return this.#objects.out.length >= PIECE_BYTES / 2 || this.#objects.hasLarge;
  }

  add(row: Row): void {
    const objects = this.#objects;
    const { out } = objects;
    objects.begin();
    // Most values are short and plain: a row of them is one write.
    let text = "";
    for (let index = 0; index < this.#columns.length; index++) {
      text += this.#names[index] as string;
      const value = (this.#columns[index] as Column<Row>).value(row);
      const plain = plainJson(value);
      if (plain === undefined) {
        out.raw(text);
        text = "";
        const pieces = largeJson(value);
        if (pieces) objects.addLarge(pieces);
        else writeJson(out, value);
      } else text += plain;
    }
    out.raw(`${text}}`);
    objects.finish();
  }

  take(): Iterable<Buffer> {
    return this.#objects.take();
  }

  end(): string {
    return this.#objects.end();
  }
}
