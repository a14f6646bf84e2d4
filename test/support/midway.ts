import { expect } from "vitest";
import { BinRun } from "./bin.ts";
import { Proxy } from "./proxy.ts";

/**
 * Runs the built streamctl and kills it with SIGKILL when it has `begun`, which is asked after each of its requests, while
 * it waits for the reply: on no machine is it too fast to be killed.
 */
export async function killedMidway(argv: readonly string[], begun: () => Promise<boolean>): Promise<void> {
  const proxy = await Proxy.start();
  const run = new BinRun(argv, { url: proxy.url });
  const ended = run.done.then(({ stderr }) => {
    throw new Error(`it ended before it was killed: ${stderr}`);
  });
  ended.catch(() => {});
  await Promise.race([proxy.holdWhen(begun), ended]);
  run.signal("SIGKILL");
  expect((await run.done).signal).toBe("SIGKILL");
  await proxy.close();
}
