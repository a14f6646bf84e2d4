import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { allCommands } from "../../src/commands/tree.ts";
import { HERE } from "../../src/help/suggestions.ts";
import { isRequired } from "../../src/help/cli-help.ts";
import { TOPICS } from "../../src/help/topic-names.ts";
import { buildProgram } from "../../src/program.ts";
import { cli } from "../support/cli.ts";
import { commandLines, parseLine } from "../support/command-lines.ts";

/** Nothing listens there: help needs no server. */
const NOWHERE = { url: "redis://127.0.0.1:1" };

const COMMANDS = [...allCommands(await buildProgram(() => () => Promise.resolve()))].filter(
  ([path]) => path !== "__complete",
);
const isLeaf = ([, command]: readonly [string, Command]): boolean => command.commands.length === 0;
const PATHS = COMMANDS.map(([path]) => path);
const LEAVES = COMMANDS.filter(isLeaf)
  .map(([path]) => path)
  .filter((path) => path !== "help");
const HELPS = [...PATHS, ...Object.keys(TOPICS), ""];

async function help(words: string, columns = 80): Promise<string> {
  const argv = ["help", ...words.split(" ").filter((word) => word !== "")];
  const { code, stdout, stderr } = await cli(argv, { ...NOWHERE, columns });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

/** The lines below `Examples:`. */
function examplesOf(text: string): string[] {
  const [, below = ""] = text.split(/^Examples:\n/m);
  return (
    below
      .split("\n\n")[0]
      ?.split("\n")
      .filter((line) => line.trim() !== "") ?? []
  );
}

describe("help on", () => {
  test.each(LEAVES)("%s: has examples, and each is a line that streamctl takes", async (path) => {
    const lines = examplesOf(await help(path)).flatMap((line) => commandLines(line.trim()));
    const parsed = await Promise.all(lines.map((line) => parseLine(line)));
    expect(parsed.map(({ command }) => command)).toContain(path);
  });

  test.each(Object.keys(TOPICS))("%s: its examples are lines that streamctl takes", async (topic) => {
    for (const line of examplesOf(await help(topic)))
      for (const words of commandLines(line.trim())) await parseLine(words);
  });

  test.each(PATHS)(
    "%s: its own flags, notes and examples, then one line for the global flags",
    async (path) => {
      const text = await help(path);
      expect(text).not.toContain("--sentinel");
      const places = [
        /^Usage: /m,
        /^(Arguments|Options|Commands|[A-Z][\w ]+):$/m,
        /^Every command also takes /m,
      ];
      const found = places.map((place) => text.search(place));
      expect(found).toEqual(found.toSorted((a, b) => a - b));
      expect(found).not.toContain(-1);
      const after = text.slice(found.at(-1)).replace(/\s+/g, " ");
      expect(after).toMatch(/^Every command also takes [^.]*\(streamctl help connection\)\. $/);
    },
  );

  test.each(HELPS)("%s: fits the terminal, as far as words and examples let it", async (words) => {
    for (const columns of [40, 80, 120]) {
      const text = await help(words, columns);
      const examples = new Set(examplesOf(text));
      const long = text
        .split("\n")
        .filter((line) => line.length > columns && !examples.has(line))
        // A term, or what is written as a program takes it, can't be broken.
        .filter((line) => !/^ +\S+( \S+)?$|^ {2}(streamctl|\{)|^Usage: /.test(line));
      expect(long, `${columns} columns`).toEqual([]);
    }
  });
});

test.each([
  [["--help"], "Usage: streamctl <command>"],
  [["dlq", "replay", "--help"], "Usage: streamctl dlq replay <stream> [id...] [options]"],
  [["help", "dlq", "replay"], "Usage: streamctl dlq replay <stream> [id...] [options]"],
  [["help", "dlq"], "Usage: streamctl dlq <command>"],
  [["help", "pending"], "Usage: streamctl pending <stream> -g <group> [options]"],
  [["help", "exit", "codes"], "Exit codes:"],
  [["help", "configuration"], "Files: "],
  [["help", "environment"], "Every flag has its variable"],
  [["help", "exec"], "consume --exec COMMAND"],
  [["help", "handlers"], "consume --exec COMMAND"],
])("%j", async (argv, begins) => {
  const { code, stdout } = await cli(argv, NOWHERE);
  expect(code).toBe(0);
  expect(stdout.slice(0, begins.length)).toBe(begins);
});

test("a terminal that does not know its width gets 80 columns", async () => {
  expect(await help("consume", 0)).toBe(await help("consume", 80));
});

test("help connection lists every flag for connecting, and --help none of them", async () => {
  const text = await help("connection");
  for (const flag of ["--url", "--askpass", "--sentinel-password-file", "--profile", "--connect-timeout"])
    expect(text).toContain(flag);
  expect(await help("")).not.toContain("--askpass");
});

describe("a flag that is marked as required", () => {
  const cases = COMMANDS.flatMap(([path, command]) =>
    command.options.filter(isRequired).map((option) => [path, option.long ?? "", command] as const),
  );

  test("is marked where docs/ says so", () => {
    expect(cases.map(([path, flag]) => `${path} ${flag}`)).toEqual(
      expect.arrayContaining(["pending --group", "claim --group", "ack --group", "group set-id --at"]),
    );
  });

  test.each(cases)(
    "%s %s: stands in the usage, and without it nothing is tried",
    async (path, flag, command) => {
      const text = await help(path);
      expect(text.replace(/\s+/g, " ")).toMatch(new RegExp(`${flag} <[^>]+> .*?\\(required\\)`));
      const operands = command.registeredArguments.filter(({ required }) => required).map(() => "1-0");
      const { code, stderr } = await cli([...path.split(" "), ...operands], NOWHERE);
      expect({ path, code }).toEqual({ path, code: 2 });
      expect(stderr).toMatch(new RegExp(`${flag}|-g GROUP`));
    },
  );
});

test.each([
  [["tail"], "streamctl: error: unknown command 'tail': try streamctl consume STREAM -f"],
  [
    ["rm"],
    "streamctl: error: unknown command 'rm': try streamctl trim STREAM, dlq purge STREAM or group destroy STREAM GROUP",
  ],
  [["watch"], "streamctl: error: unknown command 'watch': try streamctl lag --watch"],
  [["stats"], "streamctl: error: unknown command 'stats': try streamctl lag, or info STREAM"],
  [["prodce"], `streamctl: error: unknown command 'prodce': did you mean "produce"?`],
  [["frobnicate"], "streamctl: error: unknown command 'frobnicate': see streamctl --help"],
  [["dlq", "lst"], `streamctl: error: unknown command 'dlq lst': did you mean "list"?`],
  [["lag", "--grup", "g"], "streamctl: error: unknown option '--grup': did you mean --group?"],
  [["lag", "--frobnicate"], "streamctl: error: unknown option '--frobnicate': see streamctl lag --help"],
  [["pending"], "streamctl: error: missing required argument 'stream': see streamctl pending --help"],
  [["help", "tail"], "streamctl: error: no help on 'tail': try streamctl consume STREAM -f"],
  [["help", "conection"], `streamctl: error: no help on 'conection': did you mean "connection"?`],
  [
    ["help", "nosuch"],
    `streamctl: error: no help on 'nosuch': there is help on every command, and on ${Object.keys(TOPICS).join(", ")}`,
  ],
])("%j is one line that says where to go on, exit 2", async (argv, line) => {
  expect(await cli(argv, NOWHERE)).toMatchObject({ code: 2, stdout: "", stderr: `${line}\n` });
});

test("what is suggested for other programs' words is a command of this one", () => {
  for (const text of Object.values(HERE))
    for (const part of text.split(/,? or |, /)) {
      const words = part.replace(/ for Prometheus$/, "").split(" ");
      if (words[0] === "--version") continue;
      const names = words.filter((word) => /^[a-z][a-z-]+$/.test(word)).join(" ");
      expect(PATHS, text).toContain(names);
    }
});
