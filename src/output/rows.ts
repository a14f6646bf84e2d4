import { JsonBytes } from "../entry/json-encode.ts";
import type { Column } from "./column.ts";
import { largeJson, plainJson, plainText, writeJson } from "./format.ts";
import type { Log } from "./log.ts";
import type { Output } from "./output.ts";

/** Rows turned into text of one format. */
export interface RowFormat<Row> {
  add(row: Row): void;
  /** Enough has gathered to be written. */
  readonly full: boolean;
  /** The text of the rows added since the last call, empty when there were none; in pieces where it may be large. */
  take(): string | Iterable<Buffer>;
  /** What follows the last row, for the formats that end with something. */
  end?(): string;
}

/** Where rows go, and where it says that there are none: not when the run was stopped before it knew. */
interface PrintTo {
  readonly output: Output;
  readonly log: Log;
  readonly stop: AbortSignal;
}

/** What is said where there is no row; a function when only the reading tells. */
type Empty = string | (() => string);

/** So many bytes of text are gathered for one write. */
export const PIECE_BYTES = 64 * 1024;

/**
 * Prints rows on stdout in the format of the run, and resolves with how many there were. Waits for
 * stdout's reader, and holds no more than one piece of text. With no row: nothing (`[]` as JSON), and on
 * a terminal `empty` on stderr.
 */
export async function printRows<Row>(
  to: PrintTo,
  columns: readonly Column<Row>[],
  rows: AsyncIterable<Row> | Iterable<Row>,
  options: { readonly empty: Empty },
): Promise<number> {
  return printWith(to, columns, options.empty, async (format) => {
    let count = 0;
    for await (const row of rows) {
      count++;
      format.add(row);
      if (format.full) await writeOut(to.output, format);
    }
    return count;
  });
}

/** The same for rows that come by pages: many at once cost less that way. */
export async function printPages<Row>(
  to: PrintTo,
  columns: readonly Column<Row>[],
  pages: AsyncIterable<readonly Row[]>,
  options: { readonly empty: Empty },
): Promise<number> {
  return printWith(to, columns, options.empty, async (format) => {
    let count = 0;
    for await (const rows of pages) {
      count += rows.length;
      await addAll(to.output, format, rows);
    }
    return count;
  });
}

/** Prints rows by sets that come one after the other: each is out before the next is asked for. */
export async function printSets<Row>(
  output: Output,
  columns: readonly Column<Row>[],
  sets: AsyncIterable<readonly Row[]>,
): Promise<void> {
  const format = await openFormat(output, columns);
  for await (const rows of sets) {
    await addAll(output, format, rows);
    await writeOut(output, format);
  }
}

async function writeOut<Row>(output: Output, format: RowFormat<Row>): Promise<void> {
  const text = format.take();
  if (typeof text === "string") await output.write(text);
  else for (const piece of text) await output.write(piece);
}

async function addAll<Row>(output: Output, format: RowFormat<Row>, rows: readonly Row[]): Promise<void> {
  for (const row of rows) {
    format.add(row);
    if (format.full) await writeOut(output, format);
  }
}

/** Opens and ends the format around `add`, which adds the rows and counts them. */
async function printWith<Row>(
  { output, log, stop }: PrintTo,
  columns: readonly Column<Row>[],
  empty: Empty,
  add: (format: RowFormat<Row>) => Promise<number>,
): Promise<number> {
  const format = await openFormat(output, columns);
  let count: number;
  try {
    count = await add(format);
  } finally {
    // Also when the rows end in an error: each may stand for something that was done.
    await writeOut(output, format);
    if (format.end) await output.write(format.end());
  }
  if (count === 0 && output.terminal && empty !== "" && !stop.aborted)
    log.info(typeof empty === "string" ? empty : empty());
  return count;
}

async function openFormat<Row>(output: Output, columns: readonly Column<Row>[]): Promise<RowFormat<Row>> {
  const { format } = output;
  switch (format) {
    case "table": {
      const { TableFormat } = await import("./table.ts");
      return new TableFormat(columns, {
        width: output.room,
        color: output.color,
      });
    }
    case "csv": {
      const { CsvFormat } = await import("./csv.ts");
      return new CsvFormat(columns);
    }
    case "ndjson":
      return new JsonLines(columns);
    case "json":
      return new JsonArray(columns);
    case "raw":
      return new RawLines(columns);
    default:
      return format satisfies never;
  }
}

class JsonLines<Row> implements RowFormat<Row> {
  readonly #columns: readonly Column<Row>[];
  /** What stands before each value: the name, and what separates it from the value before. */
  readonly #names: readonly string[];
  protected readonly out = new JsonBytes(PIECE_BYTES);
  /** What stands before the text at hand: a large value and what came before it. */
  #large: Iterable<Buffer>[] = [];

  constructor(columns: readonly Column<Row>[]) {
    this.#columns = columns;
    this.#names = columns.map(({ key }, index) => `${index === 0 ? "{" : ","}"${key}":`);
  }

  get full(): boolean {
    return this.out.length >= PIECE_BYTES / 2 || this.#large.length > 0;
  }

  add(row: Row): void {
    this.object(row);
    this.out.raw("\n");
  }

  *take(): Generator<Buffer, undefined> {
    const large = this.#large;
    this.#large = [];
    for (const pieces of large) yield* pieces;
    yield this.out.take();
  }

  protected object(row: Row): void {
    // Most values are short and plain: a row of them is one write.
    let text = "";
    for (let index = 0; index < this.#columns.length; index++) {
      text += this.#names[index] as string;
      const value = (this.#columns[index] as Column<Row>).value(row);
      const plain = plainJson(value);
      if (plain === undefined) {
        this.out.raw(text);
        text = "";
        const pieces = largeJson(value);
        if (pieces) this.#large.push([this.out.take()], pieces);
        else writeJson(this.out, value);
      } else text += plain;
    }
    this.out.raw(`${text}}`);
  }
}

/** One array, one row a line. */
class JsonArray<Row> extends JsonLines<Row> {
  #any = false;

  override add(row: Row): void {
    this.out.raw(this.#any ? ",\n" : "[");
    this.#any = true;
    this.object(row);
  }

  end(): string {
    return this.#any ? "]\n" : "[]\n";
  }
}

/** Tab-separated, one row a line: what would break that is escaped as `\t`, `\n`, `\r` and `\\`. */
class RawLines<Row> implements RowFormat<Row> {
  readonly #columns: readonly Column<Row>[];
  #text = "";

  constructor(columns: readonly Column<Row>[]) {
    this.#columns = columns;
  }

  get full(): boolean {
    return this.#text.length >= PIECE_BYTES;
  }

  add(row: Row): void {
    const cells = this.#columns.map((column) =>
      plainText(column.value(row)).replace(/[\t\n\r\\]/g, escapeRaw),
    );
    this.#text += `${cells.join("\t")}\n`;
  }

  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}

function escapeRaw(character: string): string {
  return { "\t": "\\t", "\n": "\\n", "\r": "\\r" }[character] ?? "\\\\";
}
