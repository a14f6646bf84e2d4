import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { killAll, markedProcesses } from "./processes.ts";

/**
 * Every test file must leave as many sockets, timers, children and pipes as it found, no process of a run
 * (see `markedEnv`), and nothing in the temporary folder, which is its own.
 */
let before = new Map<string, number>();
let temporary = "";
const outerTemporary = process.env["TMPDIR"];

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), "streamctl-test-"));
  process.env["TMPDIR"] = temporary;
  before = countResources();
});

afterAll(async () => {
  const deadline = Date.now() + 20_000;
  let left = await leftovers();
  while (left.length > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    left = await leftovers();
  }
  killAll(await markedProcesses());
  if (outerTemporary === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = outerTemporary;
  await rm(temporary, { recursive: true, force: true });
  expect(left, "left behind by this test file").toEqual([]);
});

async function leftovers(): Promise<string[]> {
  const files = (await readdir(temporary)).map((name) => `temporary file ${name}`);
  const processes = (await markedProcesses()).map(({ pid, command }) => `process ${pid}: ${command}`);
  return [...newResources(), ...files, ...processes];
}

const WATCHED = /^(TCPSocketWrap|TCPServerWrap|PipeWrap|PipeServerWrap|ProcessWrap|Timeout|TLSWrap)$/;

function countResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) {
    if (WATCHED.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

function newResources(): string[] {
  const left: string[] = [];
  for (const [name, count] of countResources()) {
    const more = count - (before.get(name) ?? 0);
    // The poll above waits on one timer of its own.
    if (more > (name === "Timeout" ? 1 : 0)) left.push(`${more} × ${name}`);
  }
  return left;
}
