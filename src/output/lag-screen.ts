import type { Column } from "./column.ts";
import { fitWidth } from "./fit.ts";
import type { Output } from "./output.ts";
import { safeText } from "./safe-text.ts";
import { terminalSize } from "./terminal.ts";
import { TableFormat } from "./table.ts";

// Control sequences of ECMA-48 and of xterm (modes with ?).
const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE_END = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
const CLEAR_ALL = "\u001b[2J";

/** Above and below the rows: what is watched, an empty line, the table's head, and which rows are shown. */
const OTHER_LINES = 4;
/** A lower terminal has no line to spare for what keys do and colours mean. */
const HIGH_ENOUGH = 12;
/** Where less of the title would be left beside the clock, the clock is left out. */
const LEAST_TITLE = 20;

export interface Picture<Row> {
  readonly title: string;
  /** When it was, behind the title, which is cut for it. */
  readonly clock: string;
  /** What keys do and colours mean: the last line. */
  readonly legend: string;
  readonly rows: readonly Row[];
}

/**
 * A table that is drawn again and again over itself. Every line is written over the old one and only then
 * cleared to its end, so nothing flickers; the terminal does not wrap, so nothing shifts at any width. It
 * has the terminal's other screen to itself: what stood there before is back when it closes. Import this
 * file lazily: it brings the tables.
 */
export class LagScreen<Row> {
  readonly #output: Output;
  readonly #columns: readonly Column<Row>[];
  readonly #onResize = (): void => this.#paint(CLEAR_ALL);
  #picture: Picture<Row> = { title: "", clock: "", legend: "", rows: [] };
  /** How many rows have been scrolled away above. */
  #above = 0;
  #open = true;

  /** Takes over the terminal; `close()` gives it back. */
  constructor(output: Output, columns: readonly Column<Row>[]) {
    this.#output = output;
    this.#columns = columns;
    output.stream.write(ENTER);
    output.stream.on("resize", this.#onResize);
  }

  show(picture: Picture<Row>): void {
    this.#picture = picture;
    this.#paint();
  }

  /** By so many rows, or pages; `Infinity` is the end. */
  scroll(by: number, unit: "rows" | "pages"): void {
    const rows = unit === "rows" ? by : by * this.#room;
    this.#above = Math.max(0, Math.min(this.#above + rows, this.#picture.rows.length - this.#room));
    this.#paint();
  }

  /** May be called twice. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#output.stream.off("resize", this.#onResize);
    this.#output.stream.write(LEAVE);
  }

  /** Where lines do not wrap, the cursor stays on a line's last place, and clearing would take what stands there. */
  get #width(): number {
    return this.#output.width - 1;
  }

  get #height(): number {
    return terminalSize(this.#output.stream).rows;
  }

  #paint(first = ""): void {
    const { stream } = this.#output;
    // A terminal that takes nothing now is shown the next picture.
    if (!this.#open || stream.writableNeedDrain) return;
    const { legend } = this.#picture;
    const lines = [this.#title(), "", ...this.#table()];
    if (this.#hasLegend) lines.push(fitWidth(legend, this.#width));
    // One line more than there is room for would scroll the others away.
    const text = lines
      .slice(0, this.#height)
      .map((line) => line + CLEAR_LINE_END)
      .join("\r\n");
    stream.write(`${first}${HOME}${text}${CLEAR_BELOW}`);
  }

  #title(): string {
    const { title, clock } = this.#picture;
    const left = this.#width - clock.length - 2;
    if (clock === "" || left < LEAST_TITLE) return fitWidth(safeText(title), this.#width);
    return `${fitWidth(safeText(title), left)}  ${clock}`;
  }

  get #hasLegend(): boolean {
    return this.#height >= HIGH_ENOUGH;
  }

  get #room(): number {
    return Math.max(1, this.#height - OTHER_LINES - (this.#hasLegend ? 1 : 0));
  }

  #table(): string[] {
    const { rows } = this.#picture;
    const room = this.#room;
    // Rows may have gone since it was scrolled.
    this.#above = Math.max(0, Math.min(this.#above, rows.length - room));
    const above = this.#above;
    const shown = rows.slice(above, above + room);
    if (shown.length === 0) return ["no groups"];
    const table = new TableFormat(this.#columns, { width: this.#width, color: this.#output.color });
    for (const row of shown) table.add(row);
    const which =
      rows.length > shown.length ? [`${above + 1}–${above + shown.length} of ${rows.length}`] : [];
    return [...table.take().trimEnd().split("\n"), ...which];
  }
}
