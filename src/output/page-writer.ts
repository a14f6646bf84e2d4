import type { Departure } from "../engine/read/group.ts";
import type { Batch, Page } from "../engine/read/reader.ts";
import { formatCount, formatDuration, formatNumber } from "../units.ts";
import { type EntryOptions, openEntryFormat } from "./entry-formats.ts";
import type { Log } from "./log.ts";
import type { Output } from "./output.ts";
import { Printer } from "./printer.ts";
import { createProgress, type Progress } from "./progress.ts";

/** Prints pages of entries on stdout, with progress and a summary on stderr. */
export class PageWriter {
  readonly #output: Output;
  readonly #log: Log;
  readonly #printer: Printer<Batch>;
  readonly #progress: Progress | undefined;
  readonly #startedAt = Date.now();
  #total: number | undefined;
  #printed = 0;
  #lookedAt: number | undefined;

  private constructor(output: Output, log: Log, printer: Printer<Batch>) {
    this.#output = output;
    this.#log = log;
    this.#printer = printer;
    // On a terminal the entries themselves show the progress.
    this.#progress = output.terminal ? undefined : createProgress(log, { label: "reading", unit: "entries" });
  }

  static async open(
    { output, log }: { readonly output: Output; readonly log: Log },
    options: EntryOptions,
  ): Promise<PageWriter> {
    return new PageWriter(output, log, new Printer(output, await openEntryFormat(output, options)));
  }

  /** Entries whose bytes stdout has taken. */
  get printed(): number {
    return this.#printed;
  }

  /** How many more entries will come, when that is known. */
  expect(entries: number | undefined): void {
    this.#total = entries === undefined ? undefined : this.#printed + entries;
  }

  /** Asks for the next page when stdout has taken the last one; rejects when stdout takes no more. */
  async print(pages: AsyncIterable<Page>): Promise<void> {
    for await (const page of pages) {
      await this.#printer.addAll(page);
      await this.#printer.flush();
      for (const { entries } of page) this.#printed += entries.length;
      this.#progress?.update(this.#printed, this.#total);
    }
  }

  /** So many more entries were looked at by a filter: the summary says how many it let through. */
  lookedAt(count: number): void {
    this.#lookedAt = (this.#lookedAt ?? 0) + count;
  }

  /** Takes the progress line away; may be called twice. */
  stopProgress(): void {
    this.#progress?.stop();
  }

  async end(): Promise<void> {
    this.stopProgress();
    await this.#printer.end();
  }

  /** What was done, for people; one JSON object with `-o json`. `left`: what a group's reader left behind. */
  summary(left?: Departure & { readonly consumer: string; readonly ack: boolean }): void {
    if (this.#log.quiet) return;
    const tookMs = Date.now() - this.#startedAt;
    if (this.#output.format === "json") {
      const group = left && {
        consumer: left.consumer,
        acked: left.acked,
        unmatched: this.#lookedAt === undefined ? undefined : left.unmatched,
        pending: left.pending ?? null,
        missing: left.missing,
      };
      this.#log.stream.write(
        `${JSON.stringify({ entries: this.#printed, lookedAt: this.#lookedAt, ...group, tookMs })}\n`,
      );
      return;
    }
    const looked = this.#lookedAt;
    const parts = [
      looked === undefined || looked === this.#printed
        ? `printed ${entries(this.#printed)}`
        : `printed ${formatNumber(this.#printed)} of the ${entries(looked)} looked at`,
    ];
    if (left?.ack) parts.push(`acked ${formatNumber(left.acked)}`);
    if (left?.unmatched) parts.push(`acked ${formatNumber(left.unmatched)} that do not match`);
    if (left?.missing) parts.push(`left out ${formatNumber(left.missing)} whose data is gone`);
    const pending = left?.pending ? `; ${entries(left.pending)} pending for consumer ${left.consumer}` : "";
    this.#log.info(`${parts.join(", ")} in ${formatDuration(tookMs)}${pending}`);
  }
}

function entries(count: number): string {
  return formatCount(count, "entry", "entries");
}
