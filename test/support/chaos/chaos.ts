import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { nextId } from "../../../src/entry/id.ts";
import { copyOfProgram } from "../bin.ts";
import { Proxy } from "../proxy.ts";
import { pendingIn, scratchDir } from "../worker.ts";
import { DurableServer } from "./durable-server.ts";
import { examine, parseNotes } from "./evidence.ts";
import { drawFault } from "./faults.ts";
import { Random } from "./random.ts";
import { Handler, KEYS, MOST_IN_HAND, randomManner, randomSetup, RESULTS, type Setup } from "./manners.ts";
import { pause, Seat } from "./seat.ts";
import { HANDLER_TIMEOUT_MS, MAX_DELIVERIES, randomTask, type Task } from "./tasks.ts";

const STREAM = "orders";
const WORKERS = 3;
const CLAIM_IDLE_MS = 3_000;
/** Nothing at all happens for so long: then somebody is stuck. */
const STUCK_AFTER_MS = 45_000;
/** When the last fault is over, what is left is done within this; what dead workers had takes --claim-idle of it. */
const DRAINED_WITHIN_MS = 60_000;

export interface ChaosOptions {
  readonly seed: number;
  readonly entries: number;
  /** Undefined: as the seed says. */
  readonly setup?: Setup;
  /** How long a slow handler takes. */
  readonly slowSeconds: number;
  /** Told of each fault. */
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly setup: Setup;
  readonly violations: readonly string[];
  readonly faults: number;
  readonly runs: number;
  readonly repeated: number;
  readonly mayRepeat: number;
  /** From the end of the last fault on. */
  readonly drainedInMs: number;
}

/** Three workers on one stream, everything that can go wrong going wrong, and a look at what came of it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const random = new Random(options.seed);
  const setup = options.setup ?? randomSetup(random);
  const across = setup.emit === "across";
  const tasks = Array.from({ length: options.entries }, () => randomTask(random));
  const entries = new Map<string, Task>(tasks.map((task, n) => [`${n + 1}-0`, task]));
  const violations: string[] = [];
  const dir = await scratchDir();
  const notesFile = join(dir, "notes");
  const server = await DurableServer.start({ cluster: across });
  const program = await copyOfProgram(dir);
  const handler = await Handler.write(dir, notesFile, options.slowSeconds);
  const seats: Seat<Proxy>[] = [];
  await server.redis.xgroup("CREATE", STREAM, "g", "0", "MKSTREAM");
  for (let i = 0; i < WORKERS; i++) {
    const name = `worker ${i + 1}`;
    const link = await Proxy.start(server.url);
    const complain = (text: string): void => void violations.push(text);
    // Each worker in a manner of its own.
    const manners = new Random(options.seed + i);
    const argv = (): string[] => workerArgv(handler.flags(randomManner(manners, setup), setup), across);
    // A node of a cluster says where it is, past the link.
    seats.push(new Seat({ name, link, program, argv, complain, ...(across ? { url: server.url } : {}) }));
  }

  const watch = new Progress(server.redis, notesFile);
  const producing = produce(server.redis, [...entries], watch);
  let faults = 0;
  let mayRepeat = 0;
  let mayDouble = 0;
  const struck = new Set<number>();
  const targets = { server, claimIdleMs: CLAIM_IDLE_MS, stream: STREAM, seats, direct: across };
  while (!watch.stuck && !(producing.finished && (await watch.unsettled()) <= MOST_IN_HAND)) {
    const shaken = random.next() < 0.3 ? 2 : 1;
    const first = random.between(0, WORKERS - 1);
    let drawn = Array.from({ length: shaken }, (_, i) =>
      drawFault(random, seats[(first + i) % WORKERS] as Seat<Proxy>, targets),
    );
    const alone = drawn.find((fault) => fault.alone);
    if (alone) {
      drawn = [alone];
      mayDouble += MOST_IN_HAND;
    }
    for (const { text, strikes } of drawn) {
      options.say(text);
      faults++;
      mayRepeat += strikes.length * MOST_IN_HAND;
      for (const seat of strikes) struck.add(seat.pid);
    }
    await Promise.all(drawn.map((fault) => fault.strike()));
    await pause(random.between(50, 500));
  }
  const calmSince = Date.now();
  while (!watch.stuck && (await watch.unsettled()) > 0) await pause(100);
  const drainedInMs = Date.now() - calmSince;
  if (watch.stuck) violations.push("nothing happened any more: somebody is stuck");
  else if (drainedInMs > DRAINED_WITHIN_MS) violations.push(`what was left took ${drainedInMs} ms`);
  await Promise.all(seats.map((seat) => seat.stop()));
  await producing.done;

  const notes = parseNotes(await readFile(notesFile, "utf8").catch(() => ""));
  const findings = examine({
    entries,
    notes,
    letters: await letters(server.redis, across ? `{${STREAM}}:dlq` : `${STREAM}:dlq`, entries, violations),
    emitted: setup.emit === "nowhere" ? undefined : await emitted(server.redis),
    keyOf: setup.ordered ? keyOf : undefined,
    pending: await pendingIn(server.redis, STREAM),
    undelivered: await watch.undelivered(),
    wasStruck: (consumer) => struck.has(Number(consumer.split("-").at(-2))),
    mayRepeat,
    mayDouble: setup.ordered ? 0 : mayDouble,
  });
  violations.push(...findings.violations, ...logStorms(seats, faults));
  const runs = notes.filter(({ kind }) => kind === "start").length;
  return { setup, violations, faults, runs, repeated: findings.repeated, mayRepeat, drainedInMs };
}

function workerArgv(handling: readonly string[], cluster: boolean): string[] {
  const times = {
    "--timeout": HANDLER_TIMEOUT_MS,
    "--kill-after": 500,
    "--retry-delay": 50,
    "--retry-max-delay": 400,
    "--claim-idle": CLAIM_IDLE_MS,
    "--command-timeout": 1_000,
    "--connect-timeout": 2_000,
    "--shutdown-timeout": 10_000,
  };
  const flags = Object.entries(times).flatMap(([flag, ms]) => [flag, `${ms}ms`]);
  if (cluster) flags.push("--cluster");
  return ["consume", STREAM, "-g", "g", ...flags, "--max-deliveries", String(MAX_DELIVERIES), ...handling];
}

function keyOf(id: string): string {
  return `k${Number(id.split("-")[0]) % KEYS}`;
}

interface Producing {
  readonly finished: boolean;
  readonly done: Promise<void>;
}

/** Adds the entries in portions, so that the workers now wait for entries and now have plenty. */
function produce(redis: Redis, entries: readonly (readonly [string, Task])[], watch: Progress): Producing {
  const portion = Math.max(20, Math.ceil(entries.length / 40));
  let finished = false;
  const work = async (): Promise<void> => {
    for (let at = 0; at < entries.length && !watch.stuck; at += portion) {
      while (!watch.stuck && (await watch.undelivered()) > portion) await pause(100);
      for (const [id, task] of entries.slice(at, at + portion)) await addOnce(redis, id, task);
    }
    finished = true;
  };
  const done = work();
  return {
    done,
    get finished() {
      return finished;
    },
  };
}

/** An ID of one's own makes it safe to send again what may have arrived. */
async function addOnce(redis: Redis, id: string, task: Task): Promise<void> {
  await redis.xadd(STREAM, id, "task", task, "n", id, "key", keyOf(id)).catch((error: Error) => {
    if (!error.message.includes("equal or smaller")) throw error;
  });
}

/** Looks at how far the workers are. */
class Progress {
  readonly #redis: Redis;
  readonly #notesFile: string;
  #seen = "";
  #seenAt = Date.now();

  constructor(redis: Redis, notesFile: string) {
    this.#redis = redis;
    this.#notesFile = notesFile;
  }

  get stuck(): boolean {
    return Date.now() - this.#seenAt > STUCK_AFTER_MS;
  }

  async undelivered(): Promise<number> {
    const [group] = (await this.#redis.xinfo("GROUPS", STREAM)) as (string | number)[][];
    // Destroyed, and not yet made again.
    if (!group) return 1;
    const position = String(group[group.indexOf("last-delivered-id") + 1]);
    // Redis 6.0 knows no ranges that leave out their start.
    const count = (await this.#redis.xrange(STREAM, nextId(position) ?? position, "+")).length;
    await this.#note(position, count);
    return count;
  }

  /** Undelivered and pending. */
  async unsettled(): Promise<number> {
    const pending = await pendingIn(this.#redis, STREAM).catch((error: Error) => {
      if (!error.message.startsWith("NOGROUP")) throw error;
      return 1;
    });
    return pending + (await this.undelivered());
  }

  async #note(position: string, undelivered: number): Promise<void> {
    const size = await stat(this.#notesFile).then(
      (file) => file.size,
      () => 0,
    );
    const seen = `${position} ${undelivered} ${size}`;
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#seenAt = Date.now();
  }
}

/** The IDs that dead letters stand for; each must still have the fields of its entry. */
async function letters(
  redis: Redis,
  queue: string,
  entries: ReadonlyMap<string, Task>,
  violations: string[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const [, [taskName, task, nName, n, ...facts]] of await redis.xrange(queue, "-", "+")) {
    const id = facts[facts.indexOf("dlq.id") + 1] ?? "";
    ids.push(id);
    if (taskName !== "task" || nName !== "n" || n !== id || task !== entries.get(id))
      violations.push(`the dead letter of ${id} has other fields than its entry`);
  }
  return ids;
}

/** The IDs that handlers put out. */
async function emitted(redis: Redis): Promise<string[]> {
  return (await redis.xrange(RESULTS, "-", "+")).map(([, fields]) => fields[1] as string);
}

/** Lines that tell of one entry each; as many as there are failures. */
const OF_AN_ENTRY = / failed \(| dead-lettered after | belongs to another consumer | is not pending any more/;
/** Each fault may be told of by everybody it reaches, at its beginning and at its end. */
const LINES_PER_FAULT = 2 * WORKERS;

function logStorms(seats: readonly Seat<Proxy>[], faults: number): string[] {
  const found: string[] = [];
  for (const seat of seats) {
    const lines = seat.stderr.split("\n").filter((line) => line !== "" && !OF_AN_ENTRY.test(line));
    if (lines.length > LINES_PER_FAULT * (faults + seat.workers))
      found.push(`${seat.name} wrote ${lines.length} lines, for example: ${lines.slice(-3).join(" / ")}`);
    const bug = lines.find((line) => /\bat .*:\d+:\d+\)?$|\bbug\b/i.test(line));
    if (bug !== undefined) found.push(`${seat.name} reported a bug: ${bug}`);
  }
  return found;
}
