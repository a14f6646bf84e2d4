import { JsonBytes } from "../entry/json-encode.ts";
import type { Column } from "./column.ts";
import { plainText, writeJson } from "./format.ts";
import type { Log } from "./log.ts";
import type { Output } from "./output.ts";

/** Rows turned into text of one format, piece by piece. */
export interface RowFormat<Row> {
  /** The next rows; `first` for the first piece of all. Never called with none. */
  piece(rows: readonly Row[], first: boolean): string | Buffer;
  /** What follows the last row; `empty` when there was none. */
  readonly end?: (empty: boolean) => string;
}

/** Rows are formatted and written by so many at a time. */
const PIECE = 200;

/**
 * Prints rows on stdout in the format of the run, and resolves with how many there were. Waits for
 * stdout's reader, and holds no more rows than one piece. With no row: nothing (`[]` as JSON), and on a
 * terminal `empty` on stderr.
 */
export async function printRows<Row>(
  to: { readonly output: Output; readonly log: Log },
  columns: readonly Column<Row>[],
  rows: AsyncIterable<Row> | Iterable<Row>,
  options: { readonly empty: string },
): Promise<number> {
  const { output, log } = to;
  const format = await openFormat(output, columns);
  let waiting: Row[] = [];
  let printed = 0;
  const flush = async (): Promise<void> => {
    const piece = waiting;
    waiting = [];
    const first = printed === 0;
    printed += piece.length;
    await output.write(format.piece(piece, first));
  };
  for await (const row of rows) {
    waiting.push(row);
    if (waiting.length === PIECE) await flush();
  }
  if (waiting.length > 0) await flush();
  if (format.end) await output.write(format.end(printed === 0));
  if (printed === 0 && output.terminal) log.info(options.empty);
  return printed;
}

async function openFormat<Row>(output: Output, columns: readonly Column<Row>[]): Promise<RowFormat<Row>> {
  const { format } = output;
  switch (format) {
    case "table": {
      const { TableText } = await import("./table.ts");
      const style = { width: output.terminal ? output.width : undefined, color: output.color };
      const table = new TableText(columns, style);
      return { piece: (rows) => table.lines(rows) };
    }
    case "csv": {
      const { csvFormat } = await import("./csv.ts");
      return csvFormat(columns);
    }
    case "ndjson":
      return { piece: (rows) => jsonLines(columns, rows, "\n") };
    case "json":
      return {
        piece: (rows, first) =>
          Buffer.concat([Buffer.from(first ? "[" : ",\n"), jsonLines(columns, rows, ",\n")]),
        end: (empty) => (empty ? "[]\n" : "]\n"),
      };
    case "raw":
      return { piece: (rows) => rows.map((row) => rawLine(columns, row)).join("") };
    default:
      return format satisfies never;
  }
}

/** `separator` stands between rows; a line end also follows the last. */
function jsonLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  separator: "\n" | ",\n",
): Buffer {
  const out = new JsonBytes();
  rows.forEach((row, index) => {
    if (index > 0) out.raw(separator);
    columns.forEach((column, position) => {
      out
        .raw(position === 0 ? "{" : ",")
        .text(column.key)
        .byte(0x3a);
      writeJson(out, column.value(row));
    });
    out.byte(0x7d);
  });
  if (separator === "\n") out.raw("\n");
  return out.take();
}

/** Tab-separated, one row a line: what would break that is escaped as `\t`, `\n`, `\r` and `\\`. */
function rawLine<Row>(columns: readonly Column<Row>[], row: Row): string {
  const cells = columns.map((column) => plainText(column.value(row)).replace(/[\t\n\r\\]/g, escapeRaw));
  return `${cells.join("\t")}\n`;
}

function escapeRaw(character: string): string {
  return { "\t": "\\t", "\n": "\\n", "\r": "\\r" }[character] ?? "\\\\";
}
