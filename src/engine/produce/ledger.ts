/** First and last line of a run of neighbouring lines. */
export type LineRange = readonly [first: number, last: number];

type Open = "unwritten" | "unknown";

/**
 * Which lines are in Redis. Only lines in trouble are kept one by one, and there are never more of them
 * than were in flight; everything else is a count.
 */
export class Ledger {
  /** Entries that this run wrote. */
  written = 0;
  /** Entries with an ID or a key of their own that stood there already. */
  present = 0;
  rejected = 0;
  /** The last line that was read. */
  lastLine = 0;
  readonly #open = new Map<number, Open>();
  /** Lines that got in while an earlier one had not. */
  #later: number[] = [];

  /** Entries known to be in Redis. */
  get inRedis(): number {
    return this.written + this.present;
  }

  accept(line: number, how: "written" | "present" = "written"): void {
    this[how]++;
    if (this.#open.size > 0) this.#close(line, true);
  }

  /** The line was refused for good and is done with. */
  reject(line: number): void {
    this.rejected++;
    if (this.#open.size > 0) this.#close(line, false);
  }

  /** The line is not in Redis (yet), or nobody knows. */
  keepOpen(line: number, why: Open): void {
    this.#open.set(line, why);
  }

  get unknown(): number {
    let count = 0;
    for (const why of this.#open.values()) if (why === "unknown") count++;
    return count;
  }

  get unknownLines(): LineRange[] {
    return ranges([...this.#open].filter(([, why]) => why === "unknown").map(([line]) => line));
  }

  /** Every line up to this one is in Redis, was rejected, or was empty. */
  get through(): number {
    let through = this.lastLine;
    for (const line of this.#open.keys()) through = Math.min(through, line - 1);
    return through;
  }

  /** Lines after `through` that are in Redis nevertheless. */
  get laterLines(): LineRange[] {
    const { through } = this;
    return ranges(this.#later.filter((line) => line > through));
  }

  #close(line: number, accepted: boolean): void {
    this.#open.delete(line);
    if (this.#open.size === 0) this.#later = [];
    else if (accepted) this.#later.push(line);
  }
}

function ranges(lines: readonly number[]): LineRange[] {
  const result: [number, number][] = [];
  for (const line of [...lines].sort((a, b) => a - b)) {
    const last = result.at(-1);
    if (last && last[1] === line - 1) last[1] = line;
    else result.push([line, line]);
  }
  return result;
}
