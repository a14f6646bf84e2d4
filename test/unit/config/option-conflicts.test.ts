import type { Command } from "commander";
import { expect, test } from "vitest";
import { flagOf, flagsInRules } from "../../../src/config/option-conflicts.ts";
import { allCommands } from "../../../src/config/option-defaults.ts";
import { buildProgram } from "../../../src/program.ts";

test("the rules for defaults name flags that there are", async () => {
  const program = await buildProgram(() => async () => {});
  const commands = new Map<string, Command>([["", program], ...allCommands(program)]);
  for (const [path, flags] of flagsInRules()) {
    const known = commands.get(path)?.options.map(flagOf) ?? [];
    expect(
      flags.filter((flag) => !known.includes(flag)),
      path,
    ).toEqual([]);
  }
});
