import { expect, test } from "vitest";
import type { HandlerOutput } from "../../../src/engine/handlers/handler.ts";
import type { Outcome } from "../../../src/engine/handlers/outcome.ts";
import { RunOutput, STDERR_TAIL } from "../../../src/engine/handlers/run.ts";

const NO_BYTES = Buffer.alloc(0);
const DONE: Outcome = { kind: "exit", code: 0, stderr: NO_BYTES };
const SAID_OK: Outcome = { kind: "answer", answer: "ok", stderr: NO_BYTES };
const FAILED: Outcome = { kind: "exit", code: 1, stderr: NO_BYTES };

const bytes = (text: string): Buffer => Buffer.from(text);

/** Keeps what arrives; with `broken` stdout takes nothing. */
function target(broken = false): HandlerOutput & { readonly said: string[] } {
  const said: string[] = [];
  const take = async (lines: Buffer): Promise<void> => void said.push(lines.toString());
  const refuse = (): Promise<void> => Promise.reject(new Error("EPIPE"));
  return { said, stdout: broken ? refuse : take, stderr: take };
}

test("each line bears its tag, a line that comes in pieces only once", async () => {
  const to = target();
  const output = new RunOutput(to, { tag: "1-0 ", capture: false });
  await output.stdout(bytes("a\nb\n"));
  await output.stderr(bytes("long"));
  await output.stderr(bytes("er\nnext\n"));
  expect(to.said).toEqual(["1-0 a\n1-0 b\n", "1-0 long", "er\n1-0 next\n"]);
});

test("no success stands whose output is lost: neither an exit 0 nor an ok", async () => {
  const output = new RunOutput(target(true), { capture: false });
  await output.stdout(bytes("x\n"));
  expect(output.outcome(DONE)).toEqual({ kind: "unprinted" });
  expect(output.outcome(SAID_OK)).toEqual({ kind: "unprinted" });
  expect(output.outcome(FAILED)).toBe(FAILED);
});

test("a line that is too long makes a success dead, and leaves a failure what it is", () => {
  const output = new RunOutput(target(), { capture: false });
  output.tooLong();
  expect(output.outcome(DONE)).toMatchObject({
    answer: "dead",
    reason: "printed a line of more than 16 MiB",
  });
  expect(output.outcome(FAILED)).toBe(FAILED);
});

test("what is kept comes with the success, and with nothing else", async () => {
  const to = target();
  const output = new RunOutput(to, { capture: true });
  await output.stdout(bytes("a\n"));
  await output.stdout(bytes("b\n"));
  expect(output.outcome(DONE)).toEqual({ ...DONE, stdout: bytes("a\nb\n") });
  expect(output.outcome(FAILED)).toBe(FAILED);
  expect(to.said).toEqual([]);
});

test("of stderr the last 4 KiB are kept for the dead letter", async () => {
  const output = new RunOutput(target(), { capture: false });
  await output.stderr(Buffer.alloc(STDERR_TAIL, "a"));
  await output.stderr(bytes("end\n"));
  expect(output.tail.length).toBe(STDERR_TAIL);
  expect(output.tail.toString()).toMatch(/^a+end\n$/);
});
