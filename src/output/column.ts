/** A value of a row, for programs. A Buffer is a byte string: text where it is UTF-8, else `{"base64":"…"}`. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | Buffer
  | FieldList
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** An entry's fields as a value: printed in the one JSON form of fields, order and repeated names kept. */
export class FieldList {
  readonly fields: readonly Buffer[];

  constructor(fields: readonly Buffer[]) {
    this.fields = fields;
  }
}

/** What a cell of a table is coloured for. */
export type Tone = "good" | "warning" | "bad";

/** One column of rows: `value` is for programs, `text` for people. */
export interface Column<Row> {
  /** The name in JSON and the head of the column in CSV. */
  readonly key: string;
  /** The head of the column in a table. */
  readonly title: string;
  readonly align?: "left" | "right";
  readonly value: (row: Row) => JsonValue;
  /** The cell of a table; default: the value. Control characters are escaped after it. */
  readonly text?: (row: Row) => string;
  readonly tone?: (row: Row) => Tone | undefined;
  /** Where the text is cut when the terminal is too narrow; default: the middle, because names often differ in their ends. */
  readonly cut?: "middle" | "end";
  /**
   * Left out of a table that is too wide for the terminal; the last such column goes first. `late`: only where
   * the rows could not be told apart with it.
   */
  readonly optional?: boolean | "late";
  /** Never cut in a table, because people type it in again. */
  readonly whole?: boolean;
  /** Not in a table whose first rows all have nothing to say in it. */
  readonly onlyWhenSaid?: boolean;
  /** Never in a table: another column's text says it. */
  readonly onlyForPrograms?: boolean;
}
