import { expect, test } from "vitest";
import { checkDefaults } from "../../../src/commands/file-defaults.ts";
import { readConfig } from "../../../src/config/file-reader.ts";
import { buildProgram } from "../../../src/program.ts";

const program = await buildProgram(() => () => Promise.resolve());

function check(text: string, { project }: { project: boolean }): void {
  checkDefaults(program, { ...readConfig(text, "c.yaml", project), worldReadable: false });
}

test.each(["defaults:\n  dlq purge:\n    yes: true", "defaults:\n  trim:\n    force: true"])(
  "%j is refused with its line: that is decided at the keyboard",
  (text) => {
    expect(() => check(text, { project: false })).toThrow(/^c\.yaml:3: (yes|force) can't have a default$/);
  },
);

test.each([
  ["consume", "exec", "rm"],
  ["dlq purge", "archive", "x"],
  ["trim", "archive", "x"],
  ["produce", "rejects", "x"],
  ["produce", "file", "/etc/shadow"],
  ["dlq replay", "edit", "true"],
])("a project's file may not run programs, nor read or write files: %s --%s", (command, flag, value) => {
  const text = `defaults: {"${command}": {${flag}: "${value}"}}`;
  expect(() => check(text, { project: true })).toThrow(`c.yaml:1: ${flag} may not stand in a project's file`);
  expect(() => check(`profiles: {p: {${text}}}`, { project: true })).toThrow(/may not stand/);
  expect(() => check(text, { project: false })).not.toThrow();
});
