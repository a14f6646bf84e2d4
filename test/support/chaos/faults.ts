import type { Proxy } from "../proxy.ts";
import type { DurableServer } from "./durable-server.ts";
import type { HandlerGroups, Victims } from "./handler-groups.ts";
import type { Random } from "./random.ts";
import { pause, type Seat as AnySeat, within } from "./seat.ts";

type Seat = AnySeat<Proxy>;

export interface FaultTargets {
  readonly server: DurableServer;
  readonly claimIdleMs: number;
  readonly stream: string;
  readonly seats: readonly Seat[];
  readonly groups: HandlerGroups;
  /** Workers reach the server past their links. */
  readonly direct: boolean;
}

export interface Fault {
  readonly text: string;
  /** The workers that it may cut off from what they have in hand. */
  readonly strikes: readonly Seat[];
  /** No other fault may come meanwhile: together with the death of a worker it takes what nobody knows of. */
  readonly alone: boolean;
  strike(): Promise<void>;
}

/** How often each fault comes, in proportion. */
const WEIGHTS = {
  kill: 5,
  stop: 3,
  freeze: 5,
  cut: 6,
  refuse: 3,
  stall: 4,
  "lose a reply": 4,
  "kill the server": 2,
  "freeze the server": 1,
  "kill every client": 1,
  "flush the scripts": 1,
  "delete a consumer": 4,
  "destroy the group": 2,
  "kill -9 of": 18,
  "fill /dev/shm": 12,
  "fill stdout's disk": 10,
};

/** Where workers don't go through their links. */
const NO_LINKS = { cut: 0, refuse: 0, stall: 0, "lose a reply": 0 };
const NO_SHM = { "fill /dev/shm": 0 };
const NO_DISK = { "fill stdout's disk": 0 };

/** Draws the next fault; everything about it is decided here, by the random numbers alone. */
export function drawFault(random: Random, seat: Seat, targets: FaultTargets): Fault {
  const { server, claimIdleMs, direct } = targets;
  // A worker that is silent for longer may lose what it has in hand to others, and rightly so.
  const silence = (ms: number): Seat[] => (ms > claimIdleMs / 3 ? [seat] : []);
  const short = random.between(0, 600);
  const long = random.pick([
    random.between(100, 900),
    random.between(900, 2 * claimIdleMs),
    random.between(Math.ceil(1.1 * claimIdleMs), 2 * claimIdleMs),
  ]);
  const command = random.pick(["EVALSHA", "XREADGROUP"]);
  const victims = random.pick<Victims>(["idle shells", "shells of handlers", "handlers"]);
  const howMany = random.pick(["one", "all"] as const);
  const times = random.between(1, 3);
  const room = random.pick(["bytes", "names"] as const);
  const kind = random.weighted({
    ...WEIGHTS,
    ...(direct ? NO_LINKS : {}),
    ...(seat.shm ? {} : NO_SHM),
    ...(seat.outputDisk ? {} : NO_DISK),
  });
  const on = (text: string): string => `${kind} ${text}`;
  switch (kind) {
    case "kill":
      return fault(on(`${seat.name}, back after ${short} ms`), [seat], () => seat.kill(short));
    case "stop":
      return fault(on(seat.name), [], () => seat.stopAndReplace());
    case "freeze":
      return fault(on(`${seat.name} for ${long} ms`), silence(long), () => seat.freeze(long));
    case "cut":
      return fault(on(`${seat.name} off`), [], async () => seat.link.cut());
    case "refuse":
      return fault(on(`${seat.name} for ${long} ms`), silence(long), async () => {
        seat.link.refuse();
        await pause(long);
        seat.link.accept();
      });
    case "stall":
      return fault(on(`${seat.name} for ${long} ms`), silence(long), async () => {
        seat.link.hold();
        await pause(long);
        seat.link.release();
      });
    case "lose a reply":
      return fault(on(`to ${command} of ${seat.name}`), [], () =>
        within(500, seat.link.loseReplyTo(command)),
      );
    case "kill the server": {
      // Everybody is away for as long: nobody may lose anything to anybody, however long it takes.
      const ms = random.pick([short, 2 * claimIdleMs]);
      return fault(on(`for ${ms} ms`), [], () => server.killFor(ms));
    }
    case "freeze the server":
      return fault(on(`for ${short} ms`), [], () => server.freeze(short));
    case "kill every client":
      return fault(kind, [], () => server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"));
    case "flush the scripts":
      return fault(kind, [], () => server.command("SCRIPT", "FLUSH"));
    case "delete a consumer":
      return alone(on(`of ${seat.name}`), [seat], () => deleteConsumer(targets, seat));
    case "destroy the group":
      return alone(kind, targets.seats, () => destroyGroup(targets));
    case "kill -9 of":
      return fault(on(`${howMany} of the ${victims} of ${seat.name}, ${times} times`), [], async () => {
        for (let n = 0; n < times; n++) await targets.groups.kill(seat.pid, victims, howMany);
      });
    case "fill /dev/shm":
      return fault(on(`of ${seat.name} with ${room} for ${long} ms`), [], async () => {
        seat.shm?.fill(room);
        await pause(long);
        seat.shm?.free();
      });
    case "fill stdout's disk":
      return fault(on(`of ${seat.name} for ${short} ms`), [], () => seat.fillOutput(short));
  }
}

/** XGROUP DELCONSUMER under a worker that lives, until it has noticed: if it died before, nobody would know of what it had. */
async function deleteConsumer(targets: FaultTargets, seat: Seat): Promise<void> {
  const { server, stream, seats, claimIdleMs } = targets;
  await untilNoneEnds(seats);
  for (const { name, pid } of await consumersOf(server, stream))
    if (pid === seat.pid) await server.command("XGROUP", "DELCONSUMER", stream, "g", name);
  await pause((claimIdleMs * 2) / 3);
}

/**
 * XGROUP DESTROY while everything that is pending is a living worker's, and until all have noticed: what a dead one had
 * nobody would know of. Not at all when that takes too long.
 */
async function destroyGroup({ server, stream, seats, claimIdleMs }: FaultTargets): Promise<void> {
  await untilNoneEnds(seats);
  for (const end = Date.now() + 4 * claimIdleMs; Date.now() < end; await pause(50)) {
    const living = new Set(seats.map(({ pid }) => pid));
    const consumers = await consumersOf(server, stream);
    const present = new Set(consumers.map(({ pid }) => pid));
    if (consumers.some(({ pid, pending }) => pending > 0 && !living.has(pid))) continue;
    // A worker that has only just started knows of no group, and would find none.
    if ([...living].some((pid) => !present.has(pid))) continue;
    await server.command("XGROUP", "DESTROY", stream, "g");
    return pause((claimIdleMs * 2) / 3);
  }
}

/** A worker whose stdout was full lives for a while, and knows of what it has no longer than that. */
async function untilNoneEnds(seats: readonly Seat[]): Promise<void> {
  while (seats.some(({ overFullDiskAt }) => Date.now() < overFullDiskAt)) await pause(50);
}

interface Consumer {
  readonly name: string;
  readonly pid: number;
  readonly pending: number;
}

async function consumersOf(server: DurableServer, stream: string): Promise<Consumer[]> {
  const rows = (await server.redis.xinfo("CONSUMERS", stream, "g").catch((error: Error) => {
    // Destroyed, and not yet made again.
    if (!error.message.startsWith("NOGROUP")) throw error;
    return [];
  })) as (string | number)[][];
  return rows.map((row) => {
    const name = String(row[row.indexOf("name") + 1]);
    return { name, pid: Number(name.split("-").at(-2)), pending: Number(row[row.indexOf("pending") + 1]) };
  });
}

function fault(text: string, strikes: readonly Seat[], strike: () => Promise<unknown>): Fault {
  return { text, strikes, alone: false, strike: async () => void (await strike()) };
}

function alone(text: string, strikes: readonly Seat[], strike: () => Promise<unknown>): Fault {
  return { ...fault(text, strikes, strike), alone: true };
}
