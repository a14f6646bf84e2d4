import { expect, test } from "vitest";
import { type Evidence, examine, type Note } from "../support/chaos/evidence.ts";
import type { Task } from "../support/chaos/tasks.ts";

/** A line of a handler in words: `start 1-0 2 a/7`, with the consumer and its process group at the end. */
function note(text: string, prints = true): Note {
  const [kind, id = "", deliveries, where = ""] = text.split(" ");
  const [consumer = "", group] = where.split("/");
  return {
    kind: kind as Note["kind"],
    id,
    deliveries: Number(deliveries),
    consumer,
    group: Number(group),
    prints,
  };
}

function violations(
  tasks: readonly Task[],
  notes: readonly string[],
  more: Partial<Evidence> = {},
): string[] {
  const evidence: Evidence = {
    entries: new Map(tasks.map((task, n) => [`${n + 1}-0`, task])),
    notes: notes.map((text) => note(text)),
    letters: [],
    emitted: undefined,
    printed: tasks.map((_, n) => `out ${n + 1}-0\n`).join(""),
    keyOf: undefined,
    pending: 0,
    undelivered: 0,
    wasStruck: () => false,
    wasKilled: ({ group }) => group === 9,
    mayRepeat: 1,
    mayDouble: 0,
    ...more,
  };
  return [...examine(evidence).violations];
}

const ONCE = ["start 1-0 1 a/7", "done 1-0 1 a/7"];

test("one run of one entry, whose output was taken, is all right", () => {
  expect(violations(["ok"], ONCE)).toEqual([]);
  expect(violations(["ok"], ONCE, { emitted: ["out 1-0"], printed: "" })).toEqual([]);
});

test("what was the last run of a killed group may be run again, and no run before it", () => {
  const again = ["start 1-0 2 a/7", "done 1-0 2 a/7"];
  expect(violations(["ok"], ["start 1-0 1 a/9", ...again])).toEqual([]);
  expect(violations(["ok"], ["start 1-0 1 a/8", ...again])).toEqual([
    expect.stringMatching(/^1-0 \(ok\) was taken from a worker that had done nothing wrong/),
  ]);
  const before = [
    "start 1-0 1 a/9",
    "done 1-0 1 a/9",
    "start 2-0 1 a/9",
    "start 2-0 2 a/7",
    "done 2-0 2 a/7",
  ];
  expect(violations(["ok", "ok"], before)).toEqual([]);
  expect(violations(["ok", "ok"], [...before, ...again])).toEqual([
    expect.stringMatching(/^1-0 \(ok\) was taken from a worker/),
    "2 runs too many, where the faults account for 1",
  ]);
});

test("what was acked stands on stdout, unless its handler prints nothing", () => {
  expect(violations(["ok"], ONCE, { printed: "out 1-00\nin front of out 1-0\n" })).toEqual([
    expect.stringMatching(/^1-0 \(ok\) was acked, and its output is lost/),
  ]);
  expect(violations(["ok"], [], { printed: "", notes: ONCE.map((text) => note(text, false)) })).toEqual([]);
});

test("no run is printed twice", () => {
  expect(violations(["ok"], ONCE, { printed: "out 1-0\nout 1-0\n" })).toEqual([
    expect.stringMatching(/^1-0 \(ok\) was printed 2 times/),
  ]);
});

test("a nosy entry puts out its own list and no other's, and nothing on stdout", () => {
  const both = { emitted: ["list 1-0 of everything", "out 1-0"], printed: "" };
  expect(violations(["nosy"], ONCE, both)).toEqual([]);
  expect(violations(["ok"], ONCE, both)).toEqual(["1-0 (ok) was put out 1 times (its list)"]);
  expect(violations(["nosy"], ONCE, { ...both, emitted: [...both.emitted, "set of words"] })).toEqual([
    "nobody's output was put out: set of",
  ]);
  expect(violations(["nosy"], ONCE, { ...both, emitted: ["out 1-0"] })).toEqual([
    "1-0 (nosy) was put out 0 times (its list)",
  ]);
  expect(violations(["nosy"], ONCE, { ...both, printed: "list 1-0\n" })).toEqual([
    "stdout holds what was to be put out: list 1-0\n",
  ]);
});
