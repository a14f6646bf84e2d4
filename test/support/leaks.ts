import { afterAll, beforeAll, expect } from "vitest";

/** Every test file must leave as many sockets, timers, children and pipes as it found. */
let before = new Map<string, number>();

beforeAll(() => {
  before = countResources();
});

afterAll(async () => {
  const deadline = Date.now() + 5_000;
  let left = newResources();
  while (left.length > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    left = newResources();
  }
  expect(left, "resources left open by this test file").toEqual([]);
});

const WATCHED =
  /^(TCPSocketWrap|TCPServerWrap|PipeWrap|PipeServerWrap|ProcessWrap|Timeout|FSReqCallback|TLSWrap)$/;

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
    // The poll below waits on one timer of its own.
    if (more > (name === "Timeout" ? 1 : 0)) left.push(`${more} × ${name}`);
  }
  return left;
}
