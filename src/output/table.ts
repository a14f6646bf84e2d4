import { Chalk, type ChalkInstance } from "chalk";
import Table from "cli-table3";
import type { Column, Tone } from "./column.ts";
import { cellText } from "./format.ts";
import type { RowFormat } from "./rows.ts";
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

/** So many rows are laid out together; the first of them decide the widths. */
const PIECE_ROWS = 200;

interface Cell {
  readonly plain: string;
  readonly painted: string;
}

/**
 * Prints rows as a table piece by piece: the first piece decides the widths of the columns, so a list of
 * any length takes the memory of one piece. Import this file lazily: it brings cli-table3 and chalk.
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
    const head = this.#layout === undefined ? [this.#columns.map(({ title }) => this.#title(title))] : [];
    this.#layout ??= layOut(this.#columns, measure([...head, ...rows]), this.#width);
    return render([...head, ...rows], this.#layout);
  }

  #cell(column: Column<Row>, row: Row): Cell {
    const plain = safeText(column.text ? column.text(row) : cellText(column.value(row)));
    const tone = column.tone?.(row);
    return { plain, painted: tone === undefined ? plain : this.#paint[TONES[tone]](plain) };
  }

  #title(plain: string): Cell {
    return { plain, painted: this.#paint.bold(plain) };
  }
}

/** A column that is shown, and how wide. */
interface Place {
  readonly index: number;
  readonly align: "left" | "right";
  readonly optional: boolean;
  readonly whole: boolean;
  width: number;
}

/** Chooses the columns that fit into `room` and their widths; without `room` all are as wide as they like. */
function layOut(
  columns: readonly Pick<Column<unknown>, "align" | "optional" | "whole">[],
  natural: readonly number[],
  room: number = Number.POSITIVE_INFINITY,
): readonly Place[] {
  const places = columns.map(({ align = "left", optional = false, whole = false }, index): Place => {
    return {
      index,
      align,
      optional,
      whole: whole || align === "right",
      width: Math.min(natural[index] ?? 0, room),
    };
  });
  while (total(places, leastWidth) > room) {
    const out = places.findLastIndex(({ optional }) => optional);
    if (out < 0) break;
    places.splice(out, 1);
  }
  while (total(places, ({ width }) => width) > room) {
    const widest = places
      .filter(({ whole, width }) => !whole && width > LEAST)
      .sort((a, b) => b.width - a.width)[0];
    if (!widest) break;
    widest.width--;
  }
  return places;
}

/** What a column needs to stay readable: numbers are never cut. */
function leastWidth({ whole, width }: Place): number {
  return whole ? width : Math.min(width, LEAST * 2);
}

function total(places: readonly Place[], widthOf: (place: Place) => number): number {
  return places.reduce((sum, place) => sum + widthOf(place), GAP.length * (places.length - 1));
}

/** cli-table3 notes in its options how wide it made each column; measuring with it agrees with its cutting. */
function measure(rows: readonly (readonly Cell[])[]): number[] {
  const table = new Table(PLAIN);
  table.push(...rows.map((row) => row.map(({ plain }) => plain)));
  table.toString();
  return table.options.colWidths.map((width) => width ?? 0);
}

function render(rows: readonly (readonly Cell[])[], layout: readonly Place[]): string {
  const table = new Table({
    ...PLAIN,
    colWidths: layout.map(({ width }) => width),
    colAligns: layout.map(({ align }) => align),
  });
  table.push(...rows.map((row) => layout.map(({ index }) => row[index]?.painted ?? "")));
  return `${table.toString().replace(/ +$/gm, "")}\n`;
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
