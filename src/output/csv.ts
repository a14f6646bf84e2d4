import { stringify } from "csv-stringify/sync";
import type { Column } from "./column.ts";
import { plainText } from "./format.ts";
import { PIECE_BYTES, type PrintFormat } from "./printer.ts";

/** Rows as CSV (RFC 4180) with a head line; values are left as they are, formulas too. Import it lazily. */
export class CsvFormat<Row> implements PrintFormat<Row> {
  readonly #columns: readonly Column<Row>[];
  #rows: string[][] = [];
  /** Characters of the rows at hand. */
  #length = 0;
  #headed = false;

  constructor(columns: readonly Column<Row>[]) {
    this.#columns = columns;
  }

  get full(): boolean {
    return this.#length >= PIECE_BYTES;
  }

  add(row: Row): void {
    if (!this.#headed) this.#rows.push(this.#columns.map((column) => column.key));
    this.#headed = true;
    const cells = this.#columns.map((column) => plainText(column.value(row)));
    for (const cell of cells) this.#length += cell.length + 1;
    this.#rows.push(cells);
  }

  take(): string {
    const text = stringify(this.#rows);
    this.#rows = [];
    this.#length = 0;
    return text;
  }
}
