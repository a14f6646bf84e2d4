import type { Proxy } from "../proxy.ts";
import type { DurableServer } from "./durable-server.ts";
import type { Random } from "./random.ts";
import { pause, type Seat as AnySeat, within } from "./seat.ts";

type Seat = AnySeat<Proxy>;

export interface FaultTargets {
  readonly server: DurableServer;
  readonly claimIdleMs: number;
}

export interface Fault {
  readonly text: string;
  /** The worker that it may cut off from what it has in hand. */
  readonly strikes: Seat | undefined;
  strike(): Promise<void>;
}

/** How often each fault comes, in proportion. */
const WEIGHTS = {
  kill: 5,
  stop: 3,
  freeze: 2,
  cut: 6,
  refuse: 3,
  stall: 4,
  "lose a reply": 4,
  "kill the server": 2,
  "freeze the server": 1,
  "kill every client": 1,
  "flush the scripts": 1,
};

/** Draws the next fault; everything about it is decided here, by the random numbers alone. */
export function drawFault(random: Random, seat: Seat, targets: FaultTargets): Fault {
  const { server, claimIdleMs } = targets;
  // A worker that is silent for longer may lose what it has in hand to others, and rightly so.
  const silence = (ms: number): Seat | undefined => (ms > claimIdleMs / 3 ? seat : undefined);
  const short = random.between(0, 600);
  const long = random.pick([random.between(100, 900), random.between(900, 2 * claimIdleMs)]);
  const command = random.pick(["EVALSHA", "XREADGROUP"]);
  const kind = random.weighted(WEIGHTS);
  const on = (text: string): string => `${kind} ${text}`;
  switch (kind) {
    case "kill":
      return fault(on(`${seat.name}, back after ${short} ms`), seat, () => seat.kill(short));
    case "stop":
      return fault(on(seat.name), undefined, () => seat.stopAndReplace());
    case "freeze":
      return fault(on(`${seat.name} for ${long} ms`), silence(long), () => seat.freeze(long));
    case "cut":
      return fault(on(`${seat.name} off`), undefined, async () => seat.link.cut());
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
      return fault(on(`to ${command} of ${seat.name}`), undefined, () =>
        within(500, seat.link.loseReplyTo(command)),
      );
    case "kill the server": {
      // Everybody is away for as long: nobody may lose anything to anybody, however long it takes.
      const ms = random.pick([short, 2 * claimIdleMs]);
      return fault(on(`for ${ms} ms`), undefined, () => server.killFor(ms));
    }
    case "freeze the server":
      return fault(on(`for ${short} ms`), undefined, () => server.freeze(short));
    case "kill every client":
      return fault(kind, undefined, () =>
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
      );
    case "flush the scripts":
      return fault(kind, undefined, () => server.command("SCRIPT", "FLUSH"));
  }
}

function fault(text: string, strikes: Seat | undefined, strike: () => Promise<unknown>): Fault {
  return { text, strikes, strike: async () => void (await strike()) };
}
