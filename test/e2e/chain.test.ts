import { Cluster, type Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { copyOfProgram } from "../support/bin.ts";
import { Random } from "../support/chaos/random.ts";
import { pause, Seat } from "../support/chaos/seat.ts";
import { uniqueKey } from "../support/cli.ts";
import { TestCluster } from "../support/cluster.ts";
import { rawRedis, until } from "../support/redis.ts";
import { pendingIn, scratchDir } from "../support/worker.ts";
import { serverUrl } from "../support/server-url.ts";

/** Another one every time: CHAIN_SEED=n npx vitest run --project e2e test/e2e/chain.test.ts */
const SEED = Number(process.env["CHAIN_SEED"] ?? 1);
const KEYS = 200;
const STAGES = 3;
/** Then whatever is left may come through in peace: a busy machine needs its time to start workers. */
const KILLS_FOR_MS = 20_000;

/** Prints its entry, slowly; one in ten fails at first, when it has printed already. */
const HANDLER = `cat; sleep 0.02
case $STREAMCTL_DELIVERIES$STREAMCTL_ID in 1*7-0) exit 1 ;; esac`;

/** Where the chain's streams are. */
interface Place {
  readonly redis: Redis | Cluster;
  readonly url: string;
  readonly flags: readonly string[];
}

async function oneServer(): Promise<Place> {
  return { redis: rawRedis(), url: serverUrl(), flags: [] };
}

/** Each stream has a slot of its own: what a worker puts out and its ack are two steps. */
async function cluster(): Promise<Place> {
  const nodes = await TestCluster.start(2);
  const { hostname: host, port } = new URL(nodes.url);
  const redis = new Cluster([{ host, port: Number(port) }]);
  redis.on("error", () => {});
  onTestFinished(async () => {
    redis.disconnect();
    await nodes.stop();
  });
  return { redis, url: nodes.url, flags: ["--cluster"] };
}

function stageArgv(from: string, to: string): string[] {
  const flags = {
    "-g": "g",
    "-j": "4",
    "--group-start": "0",
    "--stdin": "fields",
    "--emit": to,
    "--dedupe": "key",
    "--claim-idle": "1s",
    "--retry-delay": "50ms",
    // A killed worker has used up one delivery of what it had in hand.
    "--max-deliveries": "100",
    "--exec": HANDLER,
  };
  return ["consume", from, "--create-group", ...Object.entries(flags).flat()];
}

const once = (): number => 1;
const everyThirdTwice = (n: number): number => (n % 3 === 0 ? 2 : 1);

test.each([
  ["each key once", oneServer, once],
  ["every third key twice", oneServer, everyThirdTwice],
  ["every third key twice, across the slots of a cluster", cluster, everyThirdTwice],
] as const)(
  `a chain of three workers killed at random ends with one output per input key: %s (seed ${SEED})`,
  { timeout: 300_000 },
  async (_, place, copies) => {
    const { redis, url, flags } = await place();
    const random = new Random(SEED);
    const streams = Array.from({ length: STAGES + 1 }, (_stage, n) => uniqueKey(`stage${n}`));
    const keys = Array.from({ length: KEYS }, (_key, n) => `k${n}`);
    const program = await copyOfProgram(await scratchDir());
    const complaints: string[] = [];
    const seats = streams.slice(1).map((to, n) => {
      const argv = [...stageArgv(streams[n] as string, to), ...flags];
      const complain = (text: string): void => void complaints.push(text);
      return new Seat({
        name: `worker ${n + 1}`,
        link: { url },
        program,
        argv: () => argv,
        complain,
      });
    });

    const add = (key: string, copy: number): Promise<unknown> =>
      redis.xadd(streams[0] as string, "*", "key", key, "copy", copy);
    const produce = async (): Promise<void> => {
      for (const [n, key] of keys.entries()) {
        for (let copy = 0; copy < copies(n); copy++) await add(key, copy);
        await pause(25);
      }
    };
    const outputs = async (stream: string): Promise<string[]> =>
      (await redis.xrange(stream, "-", "+")).map(([, fields]) => String(fields[fields.indexOf("key") + 1]));
    const pending = async (): Promise<number[]> =>
      Promise.all(streams.slice(0, STAGES).map((stream) => pendingIn(redis, stream).catch(() => 1)));
    const done = async (): Promise<boolean> =>
      new Set(await outputs(streams[STAGES] as string)).size === keys.length &&
      (await pending()).every((count) => count === 0);

    let kills = 0;
    const producing = produce();
    for (const end = Date.now() + KILLS_FOR_MS; Date.now() < end && !(await done());) {
      await pause(random.between(200, 900));
      await random.pick(seats).kill(random.between(0, 300));
      kills++;
    }
    await producing;
    // It gets through only when all three are up: one that is just starting would not hear the signal below.
    keys.push("last");
    await add("last", 0);
    await until("everything has come through", done, 120_000);
    await Promise.all(seats.map((seat) => seat.stop()));

    console.log(`chain: seed ${SEED}: ${kills} kills`);
    expect(kills, `seed ${SEED}`).toBeGreaterThan(2);
    expect(complaints, `seed ${SEED}`).toEqual([]);
    for (const [n, stream] of streams.slice(1).entries()) {
      const message = `seed ${SEED}, output of worker ${n + 1}`;
      expect((await outputs(stream)).toSorted(), message).toEqual(keys.toSorted());
      expect(await redis.exists(`${streams[n]}:dlq`), message).toBe(0);
    }
    expect(await pending(), `seed ${SEED}`).toEqual([0, 0, 0]);
  },
);
