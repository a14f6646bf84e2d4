import { Chalk, type ChalkInstance } from "chalk";
import Table from "cli-table3";
import type { Column, Tone } from "./column.ts";
import { cellText } from "./format.ts";
import type { PrintFormat } from "./printer.ts";
import { safeText } from "./safe-text.ts";
import { GAP, layOut, type Place } from "./table-layout.ts";
import { cutText } from "./text-width.ts";

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
 * any length takes the memory of one piece. Import this file lazily: it brings cli-table3 and chalk.
 */
export class TableFormat<Row> implements PrintFormat<Row> {
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
    return render(rows, this.#layout);
  }

  #cell(column: Column<Row>, row: Row): Cell {
    const text = safeText(column.text ? column.text(row) : cellText(column.value(row)));
    const tone = column.tone?.(row);
    return { text, paint: tone && this.#paint[TONES[tone]] };
  }
}

/** Every cell is cut to the width of its column first: cli-table3 knows no way to cut out the middle. */
function render(rows: readonly (readonly Cell[])[], layout: readonly Place[]): string {
  const table = new Table({
    ...PLAIN,
    colWidths: layout.map(({ width }) => width),
    colAligns: layout.map(({ align }) => align),
  });
  table.push(...rows.map((row) => layout.map(({ index, head, width }) => shown(row[index], head, width))));
  return `${table.toString().replace(/ +$/gm, "")}\n`;
}

function shown(cell: Cell | undefined, head: number, width: number): string {
  const { text = "", paint } = cell ?? {};
  const fitting = cutText(text, width, head);
  return paint?.(fitting) ?? fitting;
}

/** No lines between the cells, only gaps: easy to read, to copy and to cut. */
const PLAIN = {
  chars: {
    top: "",
    "top-mid": "",
    "top-left": "",
    "top-right": "",
    bottom: "",
    "bottom-mid": "",
    "bottom-left": "",
    "bottom-right": "",
    left: "",
    "left-mid": "",
    mid: "",
    "mid-mid": "",
    right: "",
    "right-mid": "",
    middle: GAP,
  },
  style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
};
