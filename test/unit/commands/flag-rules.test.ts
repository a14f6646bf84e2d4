import type { Command } from "commander";
import { expect, test } from "vitest";
import { flagOf, nameOf } from "../../../src/commands/flag.ts";
import { termsOf } from "../../../src/commands/flag-rules.ts";
import { allCommands, withParents } from "../../../src/commands/tree.ts";
import { buildProgram } from "../../../src/program.ts";

const program = await buildProgram(() => () => Promise.resolve());
const commands = new Map<string, Command>([["", program], ...allCommands(program)]);

test("the rules of flags name flags, values and arguments that there are", () => {
  for (const [path, command] of commands) {
    const options = withParents(command).flatMap((at) => at.options);
    const known = new Set([
      "--",
      ...options.flatMap((option) => [
        `--${nameOf(option)}`,
        ...(option.argChoices ?? []).map((choice) => `--${nameOf(option)} ${choice}`),
      ]),
      ...command.registeredArguments.map((argument) => {
        const name = argument.name() + (argument.variadic ? "..." : "");
        return argument.required ? `<${name}>` : `[${name}]`;
      }),
    ]);
    const named = command.options.flatMap((option) => termsOf(flagOf(option) ?? { spec: "", about: "" }));
    expect(
      named.filter((term) => !known.has(term)),
      path,
    ).toEqual([]);
  }
});

test("every flag but --help and --version is declared, and its default is one that it reads", () => {
  for (const [path, { options }] of commands)
    for (const option of options) {
      if (option.long === "--version") continue;
      const flag = flagOf(option);
      expect(flag, `${path} ${option.flags}`).toBeDefined();
      if (flag?.default !== undefined)
        expect(() => option.parseArg?.(flag.default ?? "", undefined), `${path} ${flag.spec}`).not.toThrow();
    }
});
