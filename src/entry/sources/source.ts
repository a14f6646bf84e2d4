import type { EntryDraft } from "../entry-draft.ts";

/**
 * Where entries come from. `next` works on what has been read already and never waits, so that a hot loop
 * can call it; `more` waits for further input.
 */
export interface EntrySource {
  /** The number of the line dealt with last; of a record that spans lines, its last one. 0 before the first. */
  readonly line: number;
  /** Bytes read from the input so far. */
  readonly bytesRead: number;
  /** Fills the draft and returns true, or returns false when `more` is needed first. Throws BadLine. */
  next(draft: EntryDraft): boolean;
  /** Waits for input; false when there is none left. */
  more(): Promise<boolean>;
  /** The line dealt with last as it was written, without its line end. Valid until `next` or `more`. */
  raw(): Uint8Array;
  /** What says how the lines are to be read, where something does (a CSV header), as it was written. */
  head?(): Uint8Array | undefined;
  close(): void;
}

/** A line that is no entry. The message says why, not where: `describe` says both. */
export class BadLine extends Error {
  readonly line: number;
  /** Counted in characters from 1; undefined where no place in the line is to blame. */
  readonly column: number | undefined;
  /** The input ended in the middle of this line. */
  readonly cutOff: boolean;
  /** Nothing after this line can be read. */
  readonly final: boolean;
  /** False when the line is too long for its text to be at hand. */
  readonly whole: boolean;

  constructor(
    line: number,
    reason: string,
    options: { column?: number; cutOff?: boolean; final?: boolean; whole?: boolean } = {},
  ) {
    super(reason);
    this.name = "BadLine";
    this.line = line;
    this.column = options.column;
    this.cutOff = options.cutOff ?? false;
    this.final = options.final ?? false;
    this.whole = options.whole ?? true;
  }

  describe(): string {
    if (this.cutOff) {
      return `line ${this.line} is cut off: the input ends without a newline in the middle of it (${this.message})`;
    }
    const column = this.column === undefined ? "" : `, column ${this.column}`;
    return `line ${this.line}${column}: ${this.message}`;
  }
}

/** The one entry of `FIELD=VALUE …`, as a source. */
export class SingleEntry implements EntrySource {
  readonly bytesRead = 0;
  readonly #fields: readonly Buffer[];
  #left = true;

  constructor(fields: readonly Buffer[]) {
    this.#fields = fields;
  }

  get line(): number {
    return this.#left ? 0 : 1;
  }

  next(draft: EntryDraft): boolean {
    if (!this.#left) return false;
    this.#left = false;
    draft.open(NOTHING);
    for (const field of this.#fields) draft.addBytes(field);
    return true;
  }

  more(): Promise<boolean> {
    return Promise.resolve(this.#left);
  }

  raw(): Uint8Array {
    return NOTHING;
  }

  close(): void {}
}

const NOTHING = Buffer.alloc(0);
