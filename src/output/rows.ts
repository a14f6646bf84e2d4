import type { Column } from "./column.ts";
import { plainText } from "./format.ts";
import { JsonFormat } from "./json.ts";
import type { Log } from "./log.ts";
import type { Output } from "./output.ts";
import { PIECE_BYTES, Printer, type PrintFormat } from "./printer.ts";

/** Where rows go, and where it says that there are none: not when the run was stopped before it knew. */
interface PrintTo {
  readonly output: Output;
  readonly log: Log;
  readonly stop: AbortSignal;
}

/** What is said where there is no row; a function when only the reading tells. */
type Empty = string | (() => string);

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
  return printWith(to, columns, options.empty, async (printer) => {
    let count = 0;
    for await (const row of rows) {
      count++;
      if (printer.add(row)) await printer.flush();
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
  return printWith(to, columns, options.empty, async (printer) => {
    let count = 0;
    for await (const rows of pages) {
      count += rows.length;
      await printer.addAll(rows);
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
  const printer = new Printer(output, await openFormat(output, columns));
  for await (const rows of sets) {
    await printer.addAll(rows);
    await printer.flush();
  }
}

/** Opens and ends the printer around `add`, which adds the rows and counts them. */
async function printWith<Row>(
  { output, log, stop }: PrintTo,
  columns: readonly Column<Row>[],
  empty: Empty,
  add: (printer: Printer<Row>) => Promise<number>,
): Promise<number> {
  const printer = new Printer(output, await openFormat(output, columns));
  let count: number;
  try {
    count = await add(printer);
  } finally {
    // Also when the rows end in an error: each may stand for something that was done.
    await printer.end();
  }
  if (count === 0 && output.terminal && empty !== "" && !stop.aborted)
    log.info(typeof empty === "string" ? empty : empty());
  return count;
}

async function openFormat<Row>(output: Output, columns: readonly Column<Row>[]): Promise<PrintFormat<Row>> {
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
      return new JsonFormat(columns, "lines");
    case "json":
      return new JsonFormat(columns, "array");
    case "raw":
      return new RawFormat(columns);
    default:
      return format satisfies never;
  }
}

/** Tab-separated, one row a line: what would break that is escaped as `\t`, `\n`, `\r` and `\\`. */
class RawFormat<Row> implements PrintFormat<Row> {
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
