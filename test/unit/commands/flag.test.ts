import { expect, expectTypeOf, test } from "vitest";
import { argument, type ArgumentsOf } from "../../../src/commands/command.ts";
import { flag, FlagOption, marked, section, type ValuesOf } from "../../../src/commands/flag.ts";
import type { StreamKey } from "../../../src/entry/names.ts";
import { parseLine } from "../../support/command-lines.ts";

test("the type of a run function's flags is what their declarations say", () => {
  const flags = [
    flag.text("-g, --group <group>", "", { required: "whose?" }),
    flag.switch("--no-ack", ""),
    ...section("Times:", [flag.duration("--claim-idle <duration>", "", { default: "1m" })]),
    ...marked([flag.count("--max-lag <n>", "", { least: 0 })], () => ({ needs: "--group" })),
    flag.choice("--input <form>", "", ["lines", "csv"]),
    flag.list("--field <name>", ""),
    flag.value("--at <id>", "", { parse: () => new Date(0), form: "a time" }, { default: "0" }),
  ] as const;
  expectTypeOf<ValuesOf<typeof flags>>().toEqualTypeOf<{
    readonly group: string;
    readonly ack: boolean;
    readonly claimIdle: number;
    readonly maxLag: number | undefined;
    readonly input: "lines" | "csv" | undefined;
    readonly field: readonly string[] | undefined;
    readonly at: Date;
  }>();
  const names = flags.map((one) => new FlagOption(one).attributeName());
  expect(names).toEqual(["group", "ack", "claimIdle", "maxLag", "input", "field", "at"]);
});

test("the type of its operands, too", () => {
  const args = [
    argument("<stream>", ""),
    argument("[shell]", "", ["bash", "zsh"]),
    argument("[id...]", ""),
  ] as const;
  expectTypeOf<ArgumentsOf<typeof args>>().toEqualTypeOf<
    readonly [StreamKey, "bash" | "zsh" | undefined, string[]]
  >();
});

test("defaults go through the flag's own parser; switches are never undefined", async () => {
  const { flags } = await parseLine(["consume", "s", "-g", "g", "--exec", "true"]);
  expect(flags).toMatchObject({
    jobs: 1,
    claimIdle: 60_000,
    stdin: "entry",
    ack: true,
    tag: false,
    yes: false,
  });
  expect(flags["retryMaxDelay"]).toBeUndefined();
});

test.each([
  ["pending s", "whose pending entries? Give the group with -g GROUP"],
  ["lag --interval 1s", "--interval goes with --watch"],
  ["lag --check --wait", "--check and --wait exclude each other"],
  ["consume s --jobs 2 --tag", "--jobs, --tag: only with --exec, --post, or a program after --"],
  ["consume s -g g --exec x --batch 2 --persistent", "give --batch or --persistent, not both"],
  [
    "produce s a=1 --skip-lines 1 --file x",
    "--file is for entries that are read: give fields or an input, not both",
  ],
  ["produce s --keep-id --input csv", "--keep-id needs --input entries"],
  ["claim s -g g --to c --all 1-0", "give either IDs or --all"],
])("%s: one line, with all flags that it is about", async (line, message) => {
  await expect(parseLine(line.split(" "))).rejects.toMatchObject({ message });
});
