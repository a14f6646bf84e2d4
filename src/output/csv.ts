import { stringify } from "csv-stringify/sync";
import type { Column } from "./column.ts";
import { plainText } from "./format.ts";
import type { RowFormat } from "./rows.ts";

/** Rows as CSV (RFC 4180) with a head line; values are left as they are, formulas too. Import it lazily. */
export function csvFormat<Row>(columns: readonly Column<Row>[]): RowFormat<Row> {
  return {
    piece(rows, first) {
      const lines = rows.map((row) => columns.map((column) => plainText(column.value(row))));
      return stringify(first ? [columns.map((column) => column.key), ...lines] : lines);
    },
  };
}
