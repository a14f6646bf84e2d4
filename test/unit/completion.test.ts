import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { describe, expect, test } from "vitest";
import { readLine } from "../../src/completion/line.ts";
import { completionScript, type Shell } from "../../src/completion/script.ts";
import { buildProgram } from "../../src/program.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "completions");

describe("the files in completions/", () => {
  test.each<[Shell, string]>([
    ["bash", "streamctl.bash"],
    ["zsh", "_streamctl"],
    ["fish", "streamctl.fish"],
  ])("%s: is what the program prints (npm run completions writes it anew)", async (shell, file) => {
    expect(await readFile(join(FOLDER, file), "utf8")).toBe(completionScript(shell));
  });
});

/** A small tree with one of everything. */
function example(): Command {
  const root = new Command("tool").addOption(new Option("-o, --output <format>").choices(["json", "csv"]));
  const queue = root.command("queue").description("it's a queue");
  queue.command("list").option("--since <position>").option("-g, --group <group>").option("--hidden-not");
  queue.command("secret", { hidden: true });
  root.command("load").option("--file <file>").addOption(new Option("--internal").hideHelp());
  return root;
}

/** What is offered behind this line of the small tree. */
function offered(line: string): string[] {
  return readLine(example(), line).words.map(({ word }) => word);
}

describe("what is offered", () => {
  test("subcommands, and nothing that help hides", () => {
    expect(offered("tool ")).toEqual(["queue", "load"]);
    expect(offered("tool queue ")).toEqual(["list"]);
    expect(offered("tool load --")).not.toContain("--internal");
  });

  test("a command's own flags and the global ones, each with what it does", async () => {
    expect(offered("tool queue list --")).toEqual(
      expect.arrayContaining(["--since", "--group", "--output", "--help"]),
    );
    expect(readLine(example(), "tool ").words[0]).toEqual({ word: "queue", about: "it's a queue" });
    const program = await buildProgram(() => () => Promise.resolve());
    const { words } = readLine(program, "streamctl lag -");
    expect(words).toContainEqual({ word: "-g", about: "the consumer group" });
    expect(words.filter(({ word }) => word === "-o")).toHaveLength(1);
    expect(words.map(({ word }) => word)).not.toContain("--version");
  });

  test("no flag again that was given, unless it may be given several times", async () => {
    expect(offered("tool queue list -g billing --")).not.toContain("--group");
    const program = await buildProgram(() => () => Promise.resolve());
    const { words } = readLine(program, "streamctl consume orders --where a=1 --json --");
    const names = words.map(({ word }) => word);
    expect(names).toContain("--where");
    expect(names).not.toContain("--json");
  });

  test("a flag's choices, in both spellings", () => {
    expect(offered("tool queue -o j")).toEqual(["json", "csv"]);
    expect(offered("tool queue --output=")).toEqual(["json", "csv"]);
    expect(offered("tool queue --output ")).toEqual(["json", "csv"]);
  });

  test("commands and topics behind help, and an argument's choices", async () => {
    const program = await buildProgram(() => () => Promise.resolve());
    const names = (line: string): string[] => readLine(program, line).words.map(({ word }) => word);
    expect(names("streamctl help ")).toEqual(expect.arrayContaining(["lag", "dlq", "exit-codes"]));
    expect(names("streamctl completion ")).toEqual(["bash", "zsh", "fish"]);
    expect(names("streamctl completion bash ")).toEqual([]);
  });

  test("files where a file is wanted, and nothing where only the user knows", () => {
    expect(readLine(example(), "tool load --file streamctl.b")).toMatchObject({ files: true, words: [] });
    expect(readLine(example(), "tool queue list --since ")).toMatchObject({ files: false, words: [] });
  });

  test("nothing of its own for the command after --: files", () => {
    expect(readLine(example(), "tool load -- --f")).toMatchObject({ files: true, words: [] });
  });
});
