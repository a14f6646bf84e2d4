import { expect, test } from "vitest";
import { RunEnd } from "../../../src/engine/handlers/run.ts";

const SAID = { tail: Buffer.from("why\n") };

/** Notes the process groups that are ended. */
function processes(): { readonly ended: number[]; end(pgid: number): Promise<void> } {
  const ended: number[] = [];
  return { ended, end: async (pgid) => void ended.push(pgid) };
}

test("a run that ended by itself is not what its limit or a stop says", async () => {
  const end = new RunEnd(processes(), { timeoutMs: 60_000, killAfterMs: 0 });
  end.on(7);
  await end.over();
  expect(end.outcome(SAID)).toBeUndefined();
});

test("a run past its limit is a timeout of its entry, once a process has had it", async () => {
  const system = processes();
  const end = new RunEnd(system, { timeoutMs: 1, killAfterMs: 0 });
  end.on(7);
  await expect.poll(() => end.reason).toBe("timeout");
  await end.over();
  expect(end.outcome(SAID)).toEqual({ kind: "timeout", afterMs: 1, stderr: SAID.tail });
  expect(system.ended).toEqual([7]);
});

test("a limit that was over before a process could begin says nothing about the entry", async () => {
  const system = processes();
  const end = new RunEnd(system, { timeoutMs: 1, killAfterMs: 0 });
  await expect.poll(() => end.reason).toBe("timeout");
  await end.over();
  expect(end.outcome(SAID)).toEqual({ kind: "unrun" });
  expect(system.ended).toEqual([]);
});

test("how long its output waits for a reader is not the time of a run that has exited", async () => {
  const end = new RunEnd(processes(), { timeoutMs: 1, killAfterMs: 0 });
  end.exited();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(end.reason).toBeUndefined();
});

test("the first reason wins, and the group is ended once", async () => {
  const system = processes();
  const end = new RunEnd(system);
  end.on(7);
  await Promise.all([end.end("stopped", 0), end.end("timeout", 0)]);
  await end.over();
  expect(end.outcome(SAID)).toEqual({ kind: "stopped" });
  expect(system.ended).toEqual([7]);
});
