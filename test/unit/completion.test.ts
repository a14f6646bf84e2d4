import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Command, Option } from "commander";
import { describe, expect, test } from "vitest";
import { completionScript, type Shell } from "../../src/completion/script.ts";
import { buildProgram } from "../../src/program.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "completions");
const program = (): Promise<Command> => buildProgram(() => () => Promise.resolve());

describe("the files in completions/", () => {
  test.each<[Shell, string]>([
    ["bash", "streamctl.bash"],
    ["zsh", "_streamctl"],
    ["fish", "streamctl.fish"],
  ])("%s: is what the command tree gives (npm run completions writes it anew)", async (shell, file) => {
    expect(await readFile(join(FOLDER, file), "utf8")).toBe(completionScript(shell, await program()));
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

/** What bash offers when Tab is pressed after these words. */
async function bashOffers(...words: string[]): Promise<string[]> {
  const script = `${completionScript("bash", example())}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tool; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)("bash", ["-c", script, "bash", "tool", ...words], {
    cwd: FOLDER,
  });
  return stdout.split("\n").filter((line) => line !== "");
}

describe("bash completion", () => {
  test("offers subcommands, and hides what help hides", async () => {
    expect(await bashOffers("")).toEqual(["queue", "load"]);
    expect(await bashOffers("queue", "")).toEqual(["list"]);
    expect(await bashOffers("load", "--")).not.toContain("--internal");
  });

  test("offers a command's own flags and the global ones", async () => {
    expect(await bashOffers("queue", "list", "--")).toEqual(
      expect.arrayContaining(["--since", "--group", "--output", "--help"]),
    );
  });

  test("offers an option's choices, in both spellings", async () => {
    expect(await bashOffers("queue", "-o", "j")).toEqual(["json"]);
    expect(await bashOffers("queue", "--output", "=", "c")).toEqual(["csv"]);
    expect(await bashOffers("queue", "--output", "=")).toEqual(["json", "csv"]);
  });

  test("offers files where a file is wanted, and nothing where only the user knows", async () => {
    expect(await bashOffers("load", "--file", "streamctl.b")).toEqual(["streamctl.bash"]);
    expect(await bashOffers("queue", "list", "--since", "")).toEqual([]);
  });

  test("offers nothing of its own for the command after --", async () => {
    expect(await bashOffers("load", "--", "--f")).toEqual([]);
  });
});

test("descriptions with quotes and brackets do not break a script", () => {
  const tree = example();
  tree.command("odd").option("--x <y>", "don't [do]: this\\that");
  expect(completionScript("fish", tree)).toContain(String.raw`-d 'don\'t [do]: this\\that'`);
  expect(completionScript("zsh", tree)).toContain(String.raw`[don'\''t \[do\]\: this\\that]`);
});
