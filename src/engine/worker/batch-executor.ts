import { AnswerSheet } from "./answers.ts";
import { ChildRun } from "./child-run.ts";
import type { HandlerOutput, HandlerSettings } from "./handler.ts";
import { inputLine, noLine } from "./input-lines.ts";
import { eachLine } from "./lines.ts";
import type { Kill } from "./process-group.ts";
import type { Delivery, Executor, Outcome, WorkerObserver } from "./types.ts";

/** So many useless lines on fd 3 are shown for one invocation; the rest is counted. */
const SHOWN_COMPLAINTS = 3;

/**
 * One process for a unit of entries, a line of stdin for each. Its exit settles all of them but those of
 * which it said something else on fd 3 (see AnswerSheet); what it said before it crashed counts.
 */
export class BatchExecutor implements Executor {
  readonly #settings: HandlerSettings;
  readonly #output: HandlerOutput;
  readonly #kill: Kill;
  readonly #notice: WorkerObserver["notice"];
  readonly #running = new Set<ChildRun>();

  constructor(
    settings: HandlerSettings,
    output: HandlerOutput,
    kill: Kill,
    notice: WorkerObserver["notice"],
  ) {
    this.#settings = settings;
    this.#output = output;
    this.#kill = kill;
    this.#notice = notice;
  }

  async run(unit: readonly Delivery[]): Promise<readonly Outcome[]> {
    const { stdin, consumer } = this.#settings;
    const batch: Delivery[] = [];
    const lines: Buffer[] = [];
    for (const delivery of unit) {
      const line = inputLine(delivery, stdin, consumer);
      if (!line) continue;
      batch.push(delivery);
      lines.push(line);
    }
    const outcomes = batch.length > 0 ? await this.#runBatch(batch, Buffer.concat(lines)) : NONE;
    return unit.map((delivery) => outcomes.get(delivery) ?? noLine(stdin));
  }

  async killAll(killAfterMs: number): Promise<void> {
    await Promise.all([...this.#running].map((child) => child.end("stopped", killAfterMs)));
  }

  /** Nothing waits here: a process per unit ends with its unit. */
  async close(): Promise<void> {}

  async #runBatch(batch: readonly Delivery[], input: Buffer): Promise<ReadonlyMap<Delivery, Outcome>> {
    const settings = this.#settings;
    const sheet = new AnswerSheet(batch);
    const complaints = new Complaints(this.#notice);
    const child = new ChildRun({
      settings,
      kill: this.#kill,
      env: environment(batch, settings),
      input,
      tag: settings.tag ? `${tagOf(batch)} ` : undefined,
      stdout: (lines) => this.#output.stdout(lines),
      stderr: (lines) => this.#output.stderr(lines),
      results: (lines) => {
        for (const line of eachLine(lines)) complaints.add(sheet.note(line));
      },
    });
    this.#running.add(child);
    try {
      const outcome = await child.outcome();
      complaints.end();
      const stderr = "stderr" in outcome ? outcome.stderr : Buffer.alloc(0);
      return new Map(
        batch.map((delivery) => {
          const answer = sheet.of(delivery);
          return [delivery, answer ? { kind: "answer", ...answer, stderr } : outcome];
        }),
      );
    } finally {
      this.#running.delete(child);
    }
  }
}

const NONE: ReadonlyMap<Delivery, Outcome> = new Map();

/** STREAMCTL_STREAM only when there is just one: a line of stdin always says its own. */
function environment(
  batch: readonly Delivery[],
  { group, consumer }: HandlerSettings,
): Record<string, string> {
  const streams = new Set(batch.map(({ stream }) => stream));
  const [stream = ""] = streams;
  return {
    STREAMCTL_BATCH: String(batch.length),
    STREAMCTL_GROUP: group,
    STREAMCTL_CONSUMER: consumer,
    ...(streams.size === 1 ? { STREAMCTL_STREAM: stream } : {}),
  };
}

/** The one ID, or the first and the last. */
function tagOf(batch: readonly Delivery[]): string {
  const first = batch[0]?.entry.id ?? "";
  return batch.length === 1 ? first : `${first}..${batch.at(-1)?.entry.id}`;
}

/** Tells of lines that settled nothing, without letting a chatty handler fill the log. */
class Complaints {
  readonly #notice: WorkerObserver["notice"];
  #count = 0;

  constructor(notice: WorkerObserver["notice"]) {
    this.#notice = notice;
  }

  add(complaint: string | undefined): void {
    if (complaint === undefined) return;
    if (++this.#count <= SHOWN_COMPLAINTS) this.#notice("warn", `ignored on fd 3: ${complaint}`);
  }

  end(): void {
    const more = this.#count - SHOWN_COMPLAINTS;
    if (more > 0) this.#notice("warn", `ignored on fd 3: ${more} more lines of the same run`);
  }
}
