import { Chalk, type ChalkInstance } from "chalk";
import type { Column, Tone } from "./column.ts";
import { cellText } from "./format.ts";
import type { RowFormat } from "./rows.ts";
import { safeText } from "./safe-text.ts";
import { GAP, layOut, type Place } from "./table-layout.ts";
import { cutText, padding } from "./text-width.ts";

export interface TableStyle {
  /** Columns of the terminal; undefined: nothing is cut (a file, a pipe, --wide). */
  readonly width: number | undefined;
  readonly color: boolean;
}

const TONES: Readonly<Record<Tone, "green" | "yellow" | "red">> = {
  good: "green",
  warning: "yellow",
  bad: "red",
};

/** So many rows are laid out together; the first of them decide the widths. */
const PIECE_ROWS = 200;

interface Cell {
  readonly text: string;
  readonly paint?: ((text: string) => string) | undefined;
}

/**
 * Prints rows as a table piece by piece: the first piece decides the widths of the columns, so a list of
 * any length takes the memory of one piece. Import this file lazily: it brings chalk and string-width.
 */
export class TableFormat<Row> implements RowFormat<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #paint: ChalkInstance;
  readonly #width: number | undefined;
  #rows: Cell[][] = [];
  #layout: readonly Place[] | undefined;

  constructor(columns: readonly Column<Row>[], style: TableStyle) {
    this.#columns = columns.filter(({ onlyForPrograms }) => !onlyForPrograms);
    this.#width = style.width;
    this.#paint = new Chalk({ level: style.color ? 1 : 0 });
  }

  get full(): boolean {
    return this.#rows.length >= PIECE_ROWS;
  }

  add(row: Row): void {
    this.#rows.push(this.#columns.map((column) => this.#cell(column, row)));
  }

  take(): string {
    const rows = this.#rows;
    this.#rows = [];
    if (rows.length === 0) return "";
    if (this.#layout === undefined) {
      const { bold } = this.#paint;
      rows.unshift(this.#columns.map(({ title }) => ({ text: title, paint: bold })));
      const texts = rows.map((row) => row.map(({ text }) => text));
      this.#layout = layOut(this.#columns, texts, this.#width);
    }
    const layout = this.#layout;
    return rows.map((row) => `${line(row, layout)}\n`).join("");
  }

  #cell(column: Column<Row>, row: Row): Cell {
    const text = safeText(column.text ? column.text(row) : cellText(column.value(row)));
    const tone = column.tone?.(row);
    return { text, paint: tone && this.#paint[TONES[tone]] };
  }
}

/** No lines between the cells, only gaps: easy to read, to copy and to cut. */
function line(row: readonly Cell[], layout: readonly Place[]): string {
  const cells = layout.map(({ index, align, head, width }) => {
    const { text = "", paint } = row[index] ?? {};
    const shown = cutText(text, width, head);
    const painted = paint?.(shown) ?? shown;
    return align === "right" ? padding(shown, width) + painted : painted + padding(shown, width);
  });
  return cells.join(GAP).trimEnd();
}
