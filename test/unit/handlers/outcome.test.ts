import { expect, test } from "vitest";
import type { Command } from "../../../src/engine/handlers/handler.ts";
import {
  exitOutcome,
  isShortage,
  Shortage,
  shellOutcome,
  signalOutcome,
  startFailure,
} from "../../../src/engine/handlers/outcome.ts";

const STDERR = Buffer.from("why\n");
const SHELL: Command = { kind: "shell", text: "true", whole: true };
const PROGRAM: Command = { kind: "program", program: "true", args: [] };
const HERE = process.cwd();

function errno(code: string): Error {
  return Object.assign(new Error(`spawn x ${code}`), { code });
}

test("a shell's 128 + n is the signal that ended its command, other codes are codes", () => {
  expect(shellOutcome(137, STDERR)).toEqual({ kind: "signal", signal: "SIGKILL", code: 137, stderr: STDERR });
  expect(shellOutcome(128, STDERR)).toEqual({ kind: "exit", code: 128, stderr: STDERR });
  expect(shellOutcome(255, STDERR)).toEqual({ kind: "exit", code: 255, stderr: STDERR });
});

test("a program's own 137 is a code, not a signal", () => {
  const ended = { code: 137, signal: null };
  expect(exitOutcome(ended, STDERR, { command: PROGRAM, cwd: HERE })).toMatchObject({ kind: "exit" });
  expect(exitOutcome(ended, STDERR, { command: SHELL, cwd: HERE })).toMatchObject({ kind: "signal" });
});

test("a signal has the code by which --dead-on names it", () => {
  expect(signalOutcome("SIGTERM", STDERR)).toMatchObject({ signal: "SIGTERM", code: 143 });
});

test("a failure where the working directory is gone says nothing about the entry; a success is one", () => {
  const gone = { command: PROGRAM, cwd: "/nowhere/at/all" };
  expect(exitOutcome({ code: 1, signal: null }, STDERR, gone)).toMatchObject({ kind: "shortage" });
  expect(exitOutcome({ code: 0, signal: null }, STDERR, gone)).toMatchObject({ kind: "exit", code: 0 });
  expect(startFailure(errno("ENOENT"), gone.cwd)).toMatchObject({ kind: "shortage" });
});

test.each([
  ["ENOENT", 127],
  ["EACCES", 126],
  ["ENOEXEC", 126],
])("a command that can't be started (%s) is unstarted, with the shell's code", (code, expected) => {
  expect(startFailure(errno(code), HERE)).toMatchObject({ kind: "unstarted", code: expected });
});

test.each(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ENOSPC"])(
  "%s is a shortage of this machine, not the command's fault",
  (code) => {
    expect(isShortage(errno(code))).toBe(true);
    expect(startFailure(errno(code), HERE)).toMatchObject({ kind: "shortage" });
  },
);

test("what is no error code is a shortage only by its class", () => {
  expect(isShortage(new Shortage("mkfifo failed"))).toBe(true);
  expect(isShortage(new Error("ENOMEM"))).toBe(false);
  expect(isShortage(undefined)).toBe(false);
});
