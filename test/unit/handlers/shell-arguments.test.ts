import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { type Serves, shellArguments } from "../../../src/engine/handlers/waiting-shell.ts";

const PATHS = {
  serves: "entry",
  stdout: "/proc/1/fd/20",
  stderr: "/proc/1/fd/21",
  results: "/proc/1/fd/22",
} as const;

/** The loop that a waiting shell executes for a command. */
function loopFor(command: string, whole = true, serves: Serves = "entry"): string {
  return shellArguments(command, whole, { ...PATHS, serves })[1] ?? "";
}

const EVALUATED = 'eval "$__streamctl_command"';
const OWN_SHELL = 'exec /bin/sh -c "$__streamctl_command"';

describe("how a waiting shell runs a command", () => {
  test.each(["true", "cat >/dev/null; exit 3", "a | b && c", "echo 'a b'"])(
    "a whole program stands in the loop, where it costs no fork: %s",
    (command) => {
      expect(loopFor(command)).toContain(`\n      ${command}\n`);
      expect(loopFor(command)).not.toContain(EVALUATED);
    },
  );

  test.each([
    ["it is no whole program", "fi; echo x", false],
    ["a line end would end a comment, or begin one", "true # why\nfalse", true],
    ["a here-document would take the loop's lines", "cat <<EOF", true],
    ["a backslash at the end would take the line end", "echo \\", true],
  ])("a command is evaluated, not put into the loop, when %s", (_why, command, whole) => {
    expect(loopFor(command, whole)).toContain(EVALUATED);
    expect(loopFor(command, whole)).not.toContain(command);
  });

  test.each(["echo $$", "test x && break", "continue", "for i in 1 2; do break; done"])(
    "what would see that it is in a subshell, or end the loop, gets a shell of its own: %s",
    (command) => {
      expect(loopFor(command)).toContain(OWN_SHELL);
      expect(loopFor(command)).not.toContain(command);
    },
  );

  test("a word that only contains break is no reason for a shell of its own", () => {
    expect(loopFor("breakfast")).not.toContain(OWN_SHELL);
  });

  test("the command is an argument of the shell in every case, never text of ours around it", () => {
    for (const command of ["true", "echo $$", "cat <<EOF"])
      expect(shellArguments(command, true, PATHS).at(-1)).toBe(command);
  });

  test.each(["entry", "batch"] as const)("fd 3 is for the handler's word on its %s", (serves) => {
    expect(loopFor("true", true, serves)).toContain("4>/proc/1/fd/22");
    expect(loopFor("true", true, serves)).toContain(") 3>&4 4>&-");
  });

  test.each([
    ["true", true, "entry"],
    ["fi", false, "entry"],
    ["echo $$", true, "batch"],
  ] as const)("the loop is a program that /bin/sh can read: %s", (command, whole, serves) => {
    execFileSync("/bin/sh", ["-n", "-c", loopFor(command, whole, serves)]);
  });
});
