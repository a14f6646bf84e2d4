import { resolve } from "node:path";
import type { Context } from "../../context.ts";
import type { Backlog } from "../../engine/produce/wait-lag.ts";
import type { UnreadLoss } from "../../engine/produce/trim-losses.ts";
import type { ProduceEvents } from "../../engine/produce/request.ts";
import type { StreamKey } from "../../entry/names.ts";
import { RejectsFile } from "../../output/rejects-file.ts";
import type { BadLine, EntrySource } from "../../entry/sources/source.ts";
import { IdPrinter } from "../../output/id-printer.ts";
import { createProgress, type Progress } from "../../output/progress.ts";
import { formatCount, formatNumber } from "../../units.ts";
import type { ProducePlan } from "./plan.ts";

/** So many bad lines are named on stderr; with -v all of them. */
const NAMED_LINES = 100;

interface OutputOptions {
  readonly stream: StreamKey;
  readonly plan: ProducePlan;
  /** The input's size in bytes, where it is known. */
  readonly size: number | undefined;
  /** A person types the input. */
  readonly typed: boolean;
  readonly source: EntrySource;
}

/** Where the news of a run of produce goes: IDs, rejected lines, progress. */
export class ProduceOutputs implements ProduceEvents {
  readonly #context: Context;
  readonly #size: number | undefined;
  readonly #skipping: boolean;
  readonly #rejects: RejectsFile | undefined;
  readonly #ids: IdPrinter | undefined;
  readonly #progress: Progress | undefined;
  #named = 0;
  #entries = 0;
  /** What the run waits for; empty while it goes on. */
  #waiting: readonly string[] = [];
  #closed = false;

  private constructor(context: Context, options: OutputOptions, rejects: RejectsFile | undefined) {
    const { stream, plan, size, typed } = options;
    this.#context = context;
    this.#size = size;
    this.#rejects = rejects;
    this.#skipping = plan.request.onBadLine === "skip";
    this.#ids =
      plan.printIds === "no"
        ? undefined
        : new IdPrinter(context.output, {
            json: plan.printIds === "json",
            named: plan.request.partitions !== undefined,
          });
    // It would be drawn over what is being typed.
    if (typed) return;
    this.#progress = createProgress(context.log, {
      label: `producing to ${stream}`,
      unit: size === undefined ? "entries" : "bytes",
      detail: () =>
        [...(size === undefined ? [] : [`${this.#entries} entries`]), ...this.#waiting].join(", "),
    });
  }

  static async open(context: Context, options: OutputOptions): Promise<ProduceOutputs> {
    const { source, plan } = options;
    if (plan.rejects === undefined) return new ProduceOutputs(context, options, undefined);
    const path = resolve(context.io.cwd, plan.rejects);
    const rejects = await RejectsFile.open(path, () => source.head?.());
    return new ProduceOutputs(context, options, rejects);
  }

  onId(id: Buffer, stream: StreamKey): void {
    this.#ids?.add(id, stream);
  }

  onWait(backlog: Backlog | undefined): void {
    if (backlog === undefined) {
      this.#waiting = [];
      return;
    }
    const { stream, group, lag, exact } = backlog;
    const behind = `${exact ? "" : "≥"}${formatNumber(lag)}`;
    // Told once per wait; the progress line keeps up with the number.
    if (this.#waiting.length === 0)
      this.#context.log.detail(`waiting for ${group}: its lag on ${stream} is ${behind}`);
    this.#waiting = [`waiting for ${group} (lag ${behind})`];
  }

  onLoss({ stream, group, entries, atLeast }: UnreadLoss): void {
    const many = `${atLeast ? "at least " : ""}${formatCount(entries, "entry", "entries")}`;
    this.#context.log.warn(
      `trimming ${stream} has removed ${many} that group ${group} had not been given: --keep-unread keeps them`,
    );
  }

  onRejected(bad: BadLine, raw: Uint8Array | undefined): void {
    if (raw !== undefined && bad.whole) this.#rejects?.add(raw);
    // A bad line that ends the run is named by the run's error.
    if (!this.#skipping || bad.final) return;
    const { log } = this.#context;
    const kept = this.#rejects === undefined || bad.whole ? "" : "; not kept in the rejects";
    if (this.#named++ < NAMED_LINES || log.verbose) log.warn(bad.describe() + kept);
    else if (this.#named === NAMED_LINES + 1) log.warn("further bad lines are only counted; -v names them");
  }

  async onBatch(inRedis: number, bytesRead: number): Promise<void> {
    this.#entries = inRedis;
    if (this.#size === undefined) this.#progress?.update(this.#entries);
    else this.#progress?.update(bytesRead, this.#size);
    await this.#rejects?.flush();
    await this.#ids?.flush();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#progress?.stop();
    await this.#rejects?.close();
  }
}
