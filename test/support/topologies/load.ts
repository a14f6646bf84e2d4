import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type PassThrough, Writable } from "node:stream";
import { cli, CliRun, openStdin } from "../cli.ts";
import { until } from "../redis.ts";

/** Where the load runs, and what it has. */
export interface LoadSettings {
  readonly env: Readonly<Record<string, string>>;
  /** What producers and workers get besides: `--wait-replicas 1`. */
  readonly more: readonly string[];
  /** A folder for what handlers note. */
  readonly dir: string;
  /**
   * Streams: what is only added to, fast; what is worked on with output and dead letters, what by key, what is trimmed; where
   * the output goes.
   */
  readonly streams: Readonly<Record<"added" | "worked" | "ordered" | "trimmed" | "output", string>>;
}

/** What came of it. Entries are counted by ID; `lost` and `twice` are what must not be. */
export interface LoadReport {
  readonly acknowledged: number;
  /** Printed by produce as added, and not in the stream. */
  readonly lost: number;
  /** Lines that stand in a stream twice. */
  readonly doubled: number;
  readonly settled: number;
  /** Settled with success, and run and settled once more. */
  readonly settledTwice: number;
  readonly neverSettled: number;
  /** Outputs of settled entries. */
  readonly outputsLost: number;
  readonly outputsTwice: number;
  readonly deadLettersLost: number;
  readonly deadLettersTwice: number;
  /** Entries of one key that ran to success in another order than they stand in the stream. */
  readonly outOfOrder: number;
  /** Trimmed although its group had it not acked. */
  readonly trimmedUnread: number;
}

const KEYS = 8;
const PAUSE_MS = 10;
/** Per pause; of what is worked on no more than handlers can run meanwhile. */
const LINES = { fast: 40, worked: 1 } as const;

/** Writes lines to produce as long as it takes them, and begins anew after what ended a run; no line is given twice. */
class Producer {
  readonly stream: string;
  readonly #settings: LoadSettings;
  readonly #lines: number;
  /** What was printed so far. */
  readonly ids: string[] = [];
  readonly ends: string[] = [];
  #line = 0;
  #stopped = false;
  #input: PassThrough | undefined;
  readonly done: Promise<void>;

  constructor(stream: string, settings: LoadSettings) {
    this.stream = stream;
    this.#settings = settings;
    this.#lines = stream === settings.streams.added ? LINES.fast : LINES.worked;
    this.done = this.#go();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#input?.end();
    await this.done;
  }

  async #go(): Promise<void> {
    const { env, more } = this.#settings;
    while (!this.#stopped) {
      const input = openStdin();
      this.#input = input;
      const args = ["--ids", "--connect-timeout", "1s", ...more];
      const stdout = new LineSink((line) => this.ids.push(line));
      const run = new CliRun(["produce", this.stream, ...args], { env, stdin: input, stdout });
      const feeding = setInterval(() => {
        if (this.#stopped || input.writableLength > 10_000) return;
        for (let i = 0; i < this.#lines; i++, this.#line++)
          input.write(`${JSON.stringify({ n: String(this.#line), key: String(this.#line % KEYS) })}\n`);
      }, PAUSE_MS);
      const { code, stderr } = await run.done;
      clearInterval(feeding);
      input.end();
      if (code !== 0) this.ends.push(`${code} ${stderr.trim().split("\n").at(-1) ?? ""}`);
    }
  }
}

/** Takes what a run prints by lines, as they come. */
class LineSink extends Writable {
  readonly #onLine: (line: string) => void;
  #rest = "";

  constructor(onLine: (line: string) => void) {
    super();
    this.#onLine = onLine;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const lines = (this.#rest + chunk.toString()).split("\n");
    this.#rest = lines.pop() ?? "";
    lines.forEach(this.#onLine);
    done();
  }

  override end(): this {
    return this;
  }
}

/** Load on four streams, until it is stopped: producers, workers, a trimmer and a replayer. */
export class Load {
  readonly #settings: LoadSettings;
  readonly #producers: readonly Producer[];
  readonly #workers: readonly CliRun[];
  /** IDs by stream and verdict, as often as they were told. */
  readonly #settled = new Map<string, string[]>();
  readonly #side: Promise<void>;
  #stopped = false;

  /** The groups are there before anything is trimmed: what has none is nobody's to keep. */
  static async start(settings: LoadSettings): Promise<Load> {
    const { worked, ordered, trimmed } = settings.streams;
    for (const stream of [worked, ordered, trimmed]) {
      const { code, stderr } = await cli(["group", "create", stream, "g", "--mkstream"], {
        env: settings.env,
      });
      if (code !== 0) throw new Error(stderr);
    }
    return new Load(settings);
  }

  private constructor(settings: LoadSettings) {
    this.#settings = settings;
    const { added, worked, ordered, trimmed } = settings.streams;
    this.#producers = [added, worked, ordered, trimmed].map((stream) => new Producer(stream, settings));
    this.#workers = [
      ...this.#startWorkers(worked, "-j", "4", "--emit", settings.streams.output),
      ...this.#startWorkers(ordered, "-j", "4", "--order-by", "key"),
      ...this.#startWorkers(trimmed, "-j", "2"),
    ];
    this.#side = this.#trimAndReplay();
  }

  get ends(): string[] {
    return this.#producers.flatMap(({ ends }) => ends);
  }

  /** How many entries produce has printed, and how many the workers have settled, of the stream that is worked on. */
  get progress(): { produced: number; settled: number } {
    const { worked } = this.#settings.streams;
    const producer = this.#producers.find(({ stream }) => stream === worked);
    return { produced: producer?.ids.length ?? 0, settled: this.#settledIds(worked, "ok").length };
  }

  /** Resolves with how many ms it took until both went on. */
  async goesOn(since: number, timeoutMs = 90_000): Promise<{ produceMs: number; workMs: number }> {
    const before = this.progress;
    let produceMs: number | undefined;
    let workMs: number | undefined;
    await until(
      "work goes on",
      () => {
        const { produced, settled } = this.progress;
        // What was on its way before may be answered yet.
        if (produced > before.produced + 20) produceMs ??= performance.now() - since;
        if (settled > before.settled + 20) workMs ??= performance.now() - since;
        return produceMs !== undefined && workMs !== undefined;
      },
      timeoutMs,
    );
    return { produceMs: produceMs as number, workMs: workMs as number };
  }

  /** Ends what adds, lets the workers come to the end of the streams, and looks. */
  async finish(): Promise<LoadReport> {
    this.#stopped = true;
    for (const producer of this.#producers) await producer.stop();
    await this.#side;
    const { env, streams } = this.#settings;
    const all = [streams.worked, streams.ordered, streams.trimmed];
    await until(
      "nothing is left",
      async () => {
        const { stdout } = await cli(["lag", ...all, "-o", "ndjson"], { env });
        const rows = stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line || "{}") as { lag?: number; pending?: number });
        return rows.length === all.length && rows.every(({ lag, pending }) => lag === 0 && pending === 0);
      },
      120_000,
    );
    for (const worker of this.#workers) worker.signal("SIGTERM");
    const results = await Promise.all(this.#workers.map(({ done }) => done));
    for (const { code } of results) if (code !== 0) throw new Error(`a worker ended with ${code}`);
    return this.#look();
  }

  /** Whatever comes of it: everything ends. */
  async abort(): Promise<void> {
    this.#stopped = true;
    for (const worker of this.#workers) for (let n = 0; n < 2; n++) worker.signal("SIGTERM");
    await Promise.all([...this.#producers.map((producer) => producer.stop()), this.#side]);
    await Promise.all(this.#workers.map(({ done }) => done));
  }

  /** Two workers of a stream: that one of them dies with what it holds is another test's affair. */
  #startWorkers(stream: string, ...more: readonly string[]): CliRun[] {
    const notes = join(this.#settings.dir, `${stream}.runs`);
    // Output: one line with the entry's ID.
    const handler =
      `read -r line; echo "$STREAMCTL_ID $line" >> '${notes}'; ` +
      `case "$line" in *'"n":"'*[05]7'"'*) exit 65;; esac; echo "$STREAMCTL_ID"`;
    const command =
      stream === this.#settings.streams.worked
        ? handler
        : `read -r line; echo "$STREAMCTL_ID $line" >> '${notes}'`;
    const args = ["-g", "g", "--claim-idle", "5s", "--log", "json", "-v"];
    const { env } = this.#settings;
    return [0, 1].map(() => {
      const stderr = new LineSink((line) => this.#note(line));
      const argv = ["consume", stream, ...args, ...more, ...this.#settings.more, "--exec", command];
      return new CliRun(argv, { env, stderr });
    });
  }

  async #trimAndReplay(): Promise<void> {
    const { env, streams, dir } = this.#settings;
    for (let n = 0; !this.#stopped; n++) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      const archive = join(dir, "archive.ndjson");
      await cli(["trim", streams.trimmed, "--maxlen", "200", "--exact", "-y", "--archive", archive], { env });
      if (n % 4 === 3) {
        const { stderr } = await cli(["dlq", "replay", streams.worked, "--all", "-y"], { env });
        await appendFile(join(dir, "replays"), stderr);
      }
    }
  }

  #note(line: string): void {
    const [, stream, id, word] = VERDICT.exec(line) ?? [];
    if (id === undefined) return;
    const of = `${stream} ${word}`;
    const ids = this.#settled.get(of) ?? [];
    ids.push(id);
    this.#settled.set(of, ids);
  }

  #settledIds(stream: string, verdict: string): readonly string[] {
    return this.#settled.get(`${stream} ${verdict}`) ?? [];
  }

  async #entries(stream: string): Promise<{ id: string; fields: Record<string, string> }[]> {
    const { code, stdout, stderr } = await cli(["consume", stream], { env: this.#settings.env });
    if (code !== 0) throw new Error(`consume ${stream} ended with ${code}: ${stderr}`);
    return linesOf(stdout).map((line) => JSON.parse(line) as { id: string; fields: Record<string, string> });
  }

  async #look(): Promise<LoadReport> {
    const { streams, env, dir } = this.#settings;
    const { added, worked, ordered, trimmed, output } = streams;
    const [inWorked, inOrdered, inTrimmed, outputs] = (await Promise.all(
      [worked, ordered, trimmed, output].map((stream) => this.#entries(stream)),
    )) as [Entry[], Entry[], Entry[], Entry[]];
    const archived = linesOf(await readFile(join(dir, "archive.ndjson"), "utf8").catch(() => "")).map(
      (line) => JSON.parse(line) as Entry,
    );
    const there = new Map<string, readonly Entry[]>([
      [added, await this.#entries(added)],
      [worked, inWorked],
      [ordered, inOrdered],
      [trimmed, [...new Map([...archived, ...inTrimmed].map((entry) => [entry.id, entry])).values()]],
    ]);
    let acknowledged = 0;
    let lost = 0;
    let doubled = 0;
    let settled = 0;
    let settledTwice = 0;
    let neverSettled = 0;
    for (const { stream, ids } of this.#producers) {
      const entries = there.get(stream) ?? [];
      const known = new Set(entries.map(({ id }) => id));
      acknowledged += ids.length;
      lost += ids.filter((id) => !known.has(id)).length;
      doubled += entries.length - new Set(entries.map(({ fields }) => fields["n"])).size;
      if (stream === added) continue;
      const ok = this.#settledIds(stream, "ok");
      const dead = this.#settledIds(stream, "dead");
      settled += ok.length;
      settledTwice += ok.length - new Set(ok).size;
      const either = new Set([...ok, ...dead]);
      neverSettled += entries.filter(({ id }) => !either.has(id)).length;
    }
    const ok = new Set(this.#settledIds(worked, "ok"));
    const put = outputs.map(({ fields }) => fields["payload"] ?? "");
    const { stdout } = await cli(["dlq", "list", worked, "--oldest"], { env });
    const letters = linesOf(stdout).map((line) => (JSON.parse(line) as { originalId: string }).originalId);
    const dead = new Set(this.#settledIds(worked, "dead"));
    const isThere = new Set(inWorked.map(({ id }) => id));
    const trimmedIds = archived.map(({ id }) => id);
    const trimmedOk = new Set(this.#settledIds(trimmed, "ok"));
    return {
      acknowledged,
      lost,
      doubled,
      settled,
      settledTwice,
      neverSettled,
      outputsLost: [...ok].filter((id) => !put.includes(id)).length,
      outputsTwice: put.length - new Set(put).size,
      deadLettersLost: [...dead].filter((id) => isThere.has(id) && !letters.includes(id)).length,
      deadLettersTwice: letters.length - new Set(letters).size,
      outOfOrder: outOfOrder(linesOf(await readFile(join(dir, `${ordered}.runs`), "utf8"))),
      trimmedUnread: trimmedIds.filter((id) => !trimmedOk.has(id)).length,
    };
  }
}

interface Entry {
  readonly id: string;
  readonly fields: Record<string, string>;
}

const VERDICT = /"stream":"([^"]*)".*?"id":"([^"]*)".*?"verdict":"(\w+)"/;

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** Of each key's first runs: how many come before one with a smaller number. */
function outOfOrder(runs: readonly string[]): number {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  let wrong = 0;
  for (const run of runs) {
    const [, id = "", n = "", key = ""] = /^(\S+) .*"n":"(\d+)","key":"(\d+)"/.exec(run) ?? [];
    if (seen.has(id)) continue;
    seen.add(id);
    if (Number(n) < (last.get(key) ?? -1)) wrong++;
    last.set(key, Number(n));
  }
  return wrong;
}
