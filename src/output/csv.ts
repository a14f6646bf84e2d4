import { stringify } from "csv-stringify/sync";
import type { Column } from "./column.ts";
import { plainText } from "./format.ts";
import { PIECE_BYTES, type RowFormat } from "./rows.ts";

/** Rows as CSV (RFC 4180) with a head line; values are left as they are, formulas too. Import it lazily. */
export class CsvFormat<Row> implements RowFormat<Row> {
  readonly #columns: readonly Column<Row>[];
  #text = "";
  #headed = false;

  constructor(columns: readonly Column<Row>[]) {
    this.#columns = columns;
  }

  get full(): boolean {
    return this.#text.length >= PIECE_BYTES;
  }

  add(row: Row): void {
    const lines = [this.#columns.map((column) => plainText(column.value(row)))];
    if (!this.#headed) lines.unshift(this.#columns.map((column) => column.key));
    this.#headed = true;
    this.#text += stringify(lines);
  }

  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}
