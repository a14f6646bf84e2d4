import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { bin, BinRun, PROGRAM } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { until } from "../support/redis.ts";
import { freePort } from "../../src/sandbox/server.ts";
import { serverUrl } from "../support/server-url.ts";

describe("the program", () => {
  test("--version prints the package's version and nothing else", async () => {
    expect(await bin(["--version"])).toMatchObject({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });

  test("--help is data: on stdout, exit 0, with the exit codes", async () => {
    const result = await bin(["--help"]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toContain("Usage: streamctl");
    expect(result.stdout).toContain("Exit codes:");
  });

  test("without a command it shows the help as an error", async () => {
    const result = await bin([]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain("Usage: streamctl");
  });

  test("a mistyped command gets a suggestion, exit 2 and an empty stdout", async () => {
    const result = await bin(["sandbx"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toMatch(/unknown command 'sandbx'[^]*sandbox/);
  });

  test("an unknown flag is named, exit 2, before anything is done", async () => {
    const result = await bin(["sandbox", "--lisen", "7000"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toMatch(/unknown option '--lisen'[^]*--listen/);
  });

  test("no server: one line that names the address, exit 3", async () => {
    const port = await freePort();
    const result = await bin(["lag"], { url: `redis://127.0.0.1:${port}` });
    expect(result).toMatchObject({ code: 3, stdout: "" });
    expect(result.stderr).toMatch(new RegExp(`^streamctl: error: .*127\\.0\\.0\\.1:${port}.*\\n$`));
  });

  test.each([["--help"], ["help consume"]])(
    "%s: a reader that goes away (| head) ends it with exit 0",
    async (line) => {
      const script = `{ "$@"; echo "exit $?" >&2; } | head -n 1`;
      const result = await bin([...PROGRAM, ...line.split(" ")], {
        program: ["sh", "-c", script, "sh"],
      });
      expect(result.stderr).toBe("exit 0\n");
    },
  );
});

describe("bytes that are no UTF-8", () => {
  const script = (words: string): string => `exec "$0" "$@" ${words}`;
  const program = (words: string): [string, ...string[]] => ["sh", "-c", script(words), ...PROGRAM];

  test.each([
    ["a stream's name", '"$(printf "orders\\377")" a=1', "orders\\xff"],
    ["a value", 'orders "$(printf "a=caf\\351")"', "a=caf\\xe9"],
    ["a flag's value", 'orders a=1 --id-field "$(printf "\\200")"', "\\x80"],
  ])("as %s are refused, not altered", async (_, words, shown) => {
    const result = await bin(["produce"], { program: program(words) });
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain(`an argument is not UTF-8: ${shown}`);
  });

  test("in a variable of ours are refused; one of others' is told, because handlers get it", async () => {
    const withVariable = (name: string): [string, ...string[]] => [
      "sh",
      "-c",
      `export ${name}="$(printf "g\\377")"; exec "$0" "$@"`,
      ...PROGRAM,
    ];
    const key = uniqueKey();
    const ours = await bin(["lag", key], { program: withVariable("STREAMCTL_GROUP") });
    expect(ours.code).toBe(2);
    expect(ours.stderr).toContain("the variable STREAMCTL_GROUP is not UTF-8");
    const work = ["consume", key, "-g", "g", "--create-group", "--until-empty", "--exec", "true"];
    const others = await bin(work, { program: withVariable("OTHER") });
    expect(others.code, others.stderr).toBe(0);
    expect(others.stderr).toContain("not UTF-8, so handlers get them altered: OTHER");
  });

  test("U+FFFD itself is a character like others", async () => {
    const key = uniqueKey("\ufffd");
    expect((await bin(["produce", key, "a=\ufffd"])).code).toBe(0);
    const { stdout } = await bin(["consume", key]);
    expect(JSON.parse(stdout)).toMatchObject({ stream: key, fields: { a: "\ufffd" } });
  });
});

test("the password of -u is not in the process list", async () => {
  const key = uniqueKey();
  const { port } = new URL(serverUrl());
  const url = `redis://default:hunter2@127.0.0.1:${port}`;
  const run = new BinRun(["consume", key, "-f", "-u", url], { url: "" });
  await until("it waits", () => run.stderr.includes("no entries yet"));
  const line = readFileSync(`/proc/${run.pid}/cmdline`, "utf8");
  expect(line).not.toContain("hunter2");
  expect(line).toContain("consume");
  expect(run.stderr).toContain("-u holds a password");
  run.signal("SIGTERM");
  expect((await run.done).code).toBe(0);
});
