import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { copyOfProgram } from "../bin.ts";
import { Proxy } from "../proxy.ts";
import { SmallDisk } from "../small-disk.ts";
import { pendingIn, scratchDir } from "../worker.ts";
import { DurableServer } from "./durable-server.ts";
import { examine, parseNotes } from "./evidence.ts";
import { drawFault } from "./faults.ts";
import { HandlerGroups } from "./handler-groups.ts";
import { Random } from "./random.ts";
import { Handler, MOST_IN_HAND, randomManner, randomSetup, type Setup } from "./manners.ts";
import { keyOf, produce, Progress, STREAM } from "./producing.ts";
import { pause, Seat } from "./seat.ts";
import { HANDLER_TIMEOUT_MS, MAX_DELIVERIES, randomTask, type Task } from "./tasks.ts";
import { emitted, letters, logOf, logStorms } from "./traces.ts";

const WORKERS = 3;
/** Longer than the machine may stand still, beats and all: what a worker has is taken from it then, and rightly so. */
const CLAIM_IDLE_MS = 4_500;
/** When the last fault is over, what is left is done within this; what dead workers had takes --claim-idle of it. */
const DRAINED_WITHIN_MS = 90_000;

export interface ChaosOptions {
  readonly seed: number;
  readonly entries: number;
  /** Undefined: as the seed says. */
  readonly setup?: Setup;
  /** How long a slow handler takes. */
  readonly slowSeconds: number;
  /** How long a byte is on its way between a worker and Redis, each way. */
  readonly delayMs: number;
  /** Told of each fault and, when there are violations, what the workers logged. */
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly setup: Setup;
  readonly violations: readonly string[];
  readonly faults: number;
  readonly runs: number;
  readonly repeated: number;
  readonly mayRepeat: number;
  /** Process groups of handlers and waiting shells. */
  readonly killed: number;
  /** Workers that ended because stdout was full. */
  readonly full: number;
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
  const handler = await Handler.write(setup, { dir, notesFile, slowSeconds: options.slowSeconds });
  const disks = await startDisks(setup, dir);
  const seats: Seat<Proxy>[] = [];
  await server.redis.xgroup("CREATE", STREAM, "g", "0", "MKSTREAM");
  for (let i = 0; i < WORKERS; i++) {
    const name = `worker ${i + 1}`;
    const link = await Proxy.start(server.url);
    link.delay(options.delayMs);
    const complain = (text: string): void => void violations.push(text);
    // Each worker in a manner of its own.
    const manners = new Random(options.seed + i);
    const argv = (): string[] => workerArgv(handler.flags(randomManner(manners, setup)), across);
    const own = disks[i] ?? {};
    const command = own.shm?.around(program) ?? program;
    // A node of a cluster says where it is, past the link.
    const past = across ? { url: server.url } : {};
    seats.push(new Seat({ name, link, program: command, argv, complain, ...own, ...past }));
  }

  const watch = new Progress(server.redis, notesFile);
  const producing = produce(server.redis, [...entries], watch);
  let faults = 0;
  let mayRepeat = 0;
  let mayDouble = 0;
  const struck = new Set<number>();
  const groups = new HandlerGroups();
  const targets = { server, claimIdleMs: CLAIM_IDLE_MS, stream: STREAM, seats, groups, direct: across };
  while (!watch.stuck && !(producing.finished && (await watch.unsettled()) <= MOST_IN_HAND)) {
    const shaken = random.pick([1, 2, 3]);
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
      options.say(`${new Date().toISOString()} ${text}`);
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

  const unprinted = seats.flatMap((seat) => seat.unprinted);
  for (const pid of unprinted) struck.add(pid);
  mayRepeat += unprinted.length * MOST_IN_HAND + groups.killed;
  const notes = parseNotes(await readFile(notesFile, "utf8").catch(() => ""));
  const findings = examine({
    entries,
    notes,
    letters: await letters(server.redis, across ? `{${STREAM}}:dlq` : `${STREAM}:dlq`, entries, violations),
    emitted: setup.emit === "nowhere" ? undefined : await emitted(server.redis),
    keyOf: setup.ordered ? keyOf : undefined,
    pending: await pendingIn(server.redis, STREAM),
    undelivered: await watch.undelivered(),
    printed: seats
      .map((seat) => seat.stdout)
      .join("\n")
      .trim(),
    wasStruck: (consumer) => struck.has(pidOf(consumer)),
    wasKilled: ({ consumer, group }) => groups.wasKilled(pidOf(consumer), group),
    mayRepeat,
    mayDouble: setup.ordered ? 0 : mayDouble,
  });
  violations.push(...findings.violations, ...logStorms(seats, faults));
  if (violations.length > 0)
    for (const seat of seats) options.say(`${seat.name}:\n${logOf(seat).join("\n")}`);
  const runs = notes.filter(({ kind }) => kind === "start").length;
  const { repeated } = findings;
  const counts = { faults, runs, repeated, mayRepeat, killed: groups.killed, full: unprinted.length };
  return { setup, violations, drainedInMs, ...counts };
}

/** The process that a consumer is named after. */
function pidOf(consumer: string): number {
  return Number(consumer.split("-").at(-2));
}

interface Disks {
  readonly shm?: SmallDisk;
  readonly outputDisk?: SmallDisk;
}

/** Small disks, for each seat its own or none, where this machine lets the test have them. */
async function startDisks({ emit }: Setup, dir: string): Promise<Disks[]> {
  const shm = await SmallDisk.start("/dev/shm", "size=100k,nr_inodes=40");
  if (typeof shm === "string") {
    console.log(`chaos without a small /dev/shm and a full disk under stdout (${shm})`);
    return [];
  }
  const at = join(dir, "disk");
  await mkdir(at);
  const outputDisk = emit === "nowhere" ? await SmallDisk.start(at, "size=16m") : "nothing is printed";
  return [{}, { shm }, typeof outputDisk === "string" ? {} : { outputDisk }];
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
