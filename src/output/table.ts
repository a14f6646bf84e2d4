import { Chalk, type ChalkInstance } from "chalk";
import Table from "cli-table3";
import type { Column, Tone } from "./column.ts";
import { cellText } from "./format.ts";
import { safeText } from "./safe-text.ts";

export interface TableStyle {
  /** Columns of the terminal; undefined: nothing is cut (a file or a pipe). */
  readonly width: number | undefined;
  readonly color: boolean;
}

const GAP = "  ";
/** A column is not cut to less than this. */
const LEAST = 8;

const TONES: Readonly<Record<Tone, "green" | "yellow" | "red">> = {
  good: "green",
  warning: "yellow",
  bad: "red",
};

/**
 * Prints rows as a table piece by piece: the first piece decides the widths of the columns, so a list of
 * any length takes the memory of one piece. Import this file lazily: it brings cli-table3 and chalk.
 */
export class TableText<Row> {
  readonly #paint: ChalkInstance;
  readonly #width: number | undefined;
  #columns: readonly Column<Row>[];
  #widths: number[] | undefined;

  constructor(columns: readonly Column<Row>[], style: TableStyle) {
    this.#columns = columns;
    this.#width = style.width;
    this.#paint = new Chalk({ level: style.color ? 1 : 0 });
  }

  /** The next rows as lines; the first call also gives the head. */
  lines(rows: readonly Row[]): string {
    const first = this.#widths === undefined;
    this.#widths ??= this.#layOut(rows);
    const body = rows.map((row) => this.#columns.map((column) => this.#cell(column, row)));
    const head = this.#columns.map((column) => this.#paint.bold(column.title));
    return this.#render(first ? [head, ...body] : body, this.#widths);
  }

  #cell(column: Column<Row>, row: Row): string {
    const text = plainCell(column, row);
    const tone = column.tone?.(row);
    return tone === undefined ? text : this.#paint[TONES[tone]](text);
  }

  #render(lines: string[][], widths: number[]): string {
    const table = new Table({
      ...PLAIN,
      colWidths: widths,
      colAligns: this.#columns.map((column) => column.align ?? "left"),
    });
    table.push(...lines);
    return `${table.toString().replace(/ +$/gm, "")}\n`;
  }

  /** Chooses the columns that fit and their widths. */
  #layOut(rows: readonly Row[]): number[] {
    const natural = this.#measure(rows);
    if (this.#width === undefined) return natural;
    const room = this.#width;
    const kept = this.#columns.map((column, index) => ({
      column,
      width: Math.min(natural[index] ?? 0, room),
    }));
    while (leastTotal(kept) > room) {
      const out = kept.findLastIndex(({ column }) => column.optional);
      if (out < 0) break;
      kept.splice(out, 1);
    }
    this.#columns = kept.map(({ column }) => column);
    while (total(kept) > room) {
      const widest = kept
        .filter(({ column, width }) => column.align !== "right" && width > LEAST)
        .sort((a, b) => b.width - a.width)[0];
      if (!widest) break;
      widest.width--;
    }
    return kept.map(({ width }) => width);
  }

  /** cli-table3 notes in its options how wide it made each column; measuring with it agrees with its cutting. */
  #measure(rows: readonly Row[]): number[] {
    const table = new Table(PLAIN);
    table.push(
      this.#columns.map((column) => column.title),
      ...rows.map((row) => this.#columns.map((column) => plainCell(column, row))),
    );
    table.toString();
    return table.options.colWidths.map((width) => width ?? 0);
  }
}

function plainCell<Row>(column: Column<Row>, row: Row): string {
  return safeText(column.text ? column.text(row) : cellText(column.value(row)));
}

interface Kept {
  readonly column: { readonly align?: "left" | "right" };
  width: number;
}

function total(kept: readonly Kept[]): number {
  return kept.reduce((sum, { width }) => sum + width, GAP.length * (kept.length - 1));
}

/** How narrow the columns can be made together. */
function leastTotal(kept: readonly Kept[]): number {
  return total(
    kept.map(({ column, width }) => ({
      column,
      width: column.align === "right" ? width : Math.min(width, LEAST * 2),
    })),
  );
}

/** No lines, only gaps: easy to read, to copy and to cut. */
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
