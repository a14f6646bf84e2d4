import { afterEach, expect, test, vi } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { deadLetters, fill, pendingIn, startWorker } from "../../support/worker.ts";

const HOUR_MS = 3_600_000;
const now = Date.now.bind(Date);

/** This machine's clock, for everything in the process that asks for the time. */
function setClock(offsetMs: number): void {
  vi.spyOn(Date, "now").mockImplementation(() => now() + offsetMs);
}

afterEach(() => {
  vi.restoreAllMocks();
});

test.each([
  ["an hour ahead", HOUR_MS],
  ["an hour behind", -HOUR_MS],
])("a machine whose clock is %s retries, takes over and dead-letters all the same", async (_, offsetMs) => {
  setClock(offsetMs);
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 2);
  await redis.xgroup("CREATE", stream, "g", "0");
  await redis.xreadgroup("GROUP", "g", "ghost", "COUNT", 1, "STREAMS", stream, ">");
  startWorker(stream, 'test "$STREAMCTL_DELIVERIES" -gt 3 && exit 65; exit 1');
  await until("both are dead-lettered", async () => (await redis.xlen(`${stream}:dlq`)) === 2);
  expect(await pendingIn(redis, stream)).toBe(0);
  for (const letter of await deadLetters(redis, `${stream}:dlq`)) expect(letter["dlq.deliveries"]).toBe("4");
});

test.each([
  ["back by an hour", -HOUR_MS],
  ["ahead by an hour", HOUR_MS],
])("a clock that is set %s while the worker runs holds nothing up", async (_, offsetMs) => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const worker = startWorker(
    stream,
    'test "$STREAMCTL_DELIVERIES" -gt 1 && echo "done $STREAMCTL_ID"; exit 1',
    ["--max-deliveries", "2"],
  );
  const [first] = await fill(redis, stream, 1);
  await until("the worker works", () => worker.stdout.includes(`done ${first}`));
  setClock(offsetMs);
  const [retried] = await fill(redis, stream, 1);
  await until("a retry comes", () => worker.stdout.includes(`done ${retried}`));
  // In one step, or the worker would be faster than the ghost.
  const [added] = (await redis
    .multi()
    .xadd(stream, "*", "n", "0")
    .xreadgroup("GROUP", "g", "ghost", "COUNT", 1, "STREAMS", stream, ">")
    .exec()) as [null, string][];
  const stranded = added?.[1];
  await until("what a dead worker held is taken over, too", () => worker.stdout.includes(`done ${stranded}`));
});
