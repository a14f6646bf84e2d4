import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, inject, onTestFinished, test } from "vitest";
import { cli, type CliOptions, type CliResult, ndjson, uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";

let home: string;
let file: string;

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "streamctl-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  home = folder;
  file = join(home, ".config/streamctl/config.yaml");
  mkdirSync(join(home, ".config/streamctl"), { recursive: true });
});

/** A run that sees only the files and variables of this test. */
function run(argv: string[], options: CliOptions = {}): Promise<CliResult> {
  return cli(argv, { cwd: home, ...options, env: { HOME: home, STREAMCTL_URL: undefined, ...options.env } });
}

function write(text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
}

describe("config show", () => {
  test("says where each setting comes from, and masks secrets", async () => {
    write(
      "profile: prod\ndlqTemplate: 'dead:{stream}'\nprofiles:\n  prod:\n    host: prod\n    password: s3cret\n    readOnly: true\n    defaults:\n      lag: {max-lag: 10k}\n",
    );
    const env = { REDIS_PORT: "7000", STREAMCTL_COMMAND_TIMEOUT: "3s", STREAMCTL_QUIET: "1" };
    const { code, stdout, stderr } = await run(["config", "show", "-n", "2"], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).not.toContain("s3cret");
    const rows = Object.fromEntries(
      ndjson(stdout).map((row) => [row["setting"], [row["value"], row["source"]]]),
    );
    expect(rows).toEqual({
      profile: ["prod", file],
      readOnly: [true, "profile prod"],
      host: ["prod", `profile prod in ${file}`],
      port: [7000, "env REDIS_PORT"],
      db: [2, "flag --db"],
      password: ["***", `profile prod in ${file}`],
      connectTimeout: [5000, "built-in"],
      commandTimeout: [3000, "env STREAMCTL_COMMAND_TIMEOUT"],
      dlqTemplate: ["dead:{stream}", file],
      "--quiet": ["1", "env STREAMCTL_QUIET"],
      "lag --max-lag": ["10k", `profile prod in ${file}:9`],
    });
  });

  test("a table for people, one array with -o json", async () => {
    const table = await run(["config", "show"], { columns: 100 });
    expect(table.stdout).toMatch(/connectTimeout +5\.0s +built-in/);
    const json = await run(["config", "show", "--json"]);
    expect(JSON.parse(json.stdout)).toContainEqual({
      setting: "host",
      value: "127.0.0.1",
      source: "built-in",
    });
  });
});

describe("config init", () => {
  test("writes a file only its owner may read, and does not overwrite it unasked", async () => {
    const first = await run(["config", "init"]);
    expect(first).toMatchObject({ code: 0, stdout: "", stderr: `streamctl: wrote ${file}\n` });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await run(["config", "show"])).toMatchObject({ code: 0 });
    write("broken: [");
    const second = await run(["config", "init"]);
    expect(second.code).toBe(2);
    expect(second.stderr).toContain("exists");
    expect(readFileSync(file, "utf8")).toBe("broken: [");
    expect(await run(["config", "init", "-y"])).toMatchObject({ code: 0 });
    expect(await run(["config", "show"])).toMatchObject({ code: 0 });
  });

  test("writes to the file that --config names", async () => {
    expect(await run(["config", "init", "--config", "mine/c.yaml"])).toMatchObject({ code: 0 });
    expect(readFileSync(join(home, "mine/c.yaml"), "utf8")).toContain("# profiles:");
  });
});

describe("a broken configuration", () => {
  test.each([
    ["hots: x\n", /config\.yaml:1: unknown key "hots": did you mean "host"\?/],
    [
      "defaults:\n  lagg:\n    max-lag: 1\n",
      /config\.yaml:3: defaults for "lagg", which is no command: did you mean "lag"\?/,
    ],
    [
      "defaults:\n  lag:\n    maxlag: 1\n",
      /config\.yaml:3: lag has no option "maxlag": did you mean "max-lag"\?/,
    ],
    ["defaults:\n  lag:\n    max-lag: lots\n", /config\.yaml:3: --max-lag: Give a whole number/],
    ["defaults:\n  lag:\n    output: xml\n", /config\.yaml:3: --output: .*Allowed choices/],
  ])("%j: one line with file and line, exit 2", async (text, message) => {
    write(text);
    const { code, stderr } = await run(["lag", "x"]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(2);
    expect((await run(["completion", "bash"])).code, "completion does not care").toBe(0);
  });

  test("a variable that an option can't read names the variable", async () => {
    const { code, stderr } = await run(["lag", "x"], { env: { STREAMCTL_MAX_LAG: "lots" } });
    expect(stderr).toContain("env STREAMCTL_MAX_LAG: --max-lag: Give a whole number");
    expect(code).toBe(2);
  });
});

describe("options from outside the command line", () => {
  async function behind(): Promise<string> {
    const key = uniqueKey();
    const raw = rawRedis();
    await raw.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await raw.xadd(key, "*", "a", "1");
    await raw.xadd(key, "*", "a", "2");
    return key;
  }
  const url = (): string => inject("redisUrl");

  test("flag over environment over profile over file", async () => {
    const key = await behind();
    write(
      `url: ${url()}\nprofile: p\nprofiles: {p: {defaults: {lag: {max-lag: 5}}}}\ndefaults: {lag: {max-lag: 1}}\n`,
    );
    expect((await run(["lag", key])).code, "profile").toBe(0);
    const env = { STREAMCTL_MAX_LAG: "1" };
    expect((await run(["lag", key], { env })).code, "environment").toBe(6);
    expect((await run(["lag", key, "--max-lag", "9"], { env })).code, "flag").toBe(0);
    expect((await run(["lag", key, "--profile", "p"])).code, "profile").toBe(0);
    write(`url: ${url()}\ndefaults: {lag: {max-lag: 1}}\n`);
    expect((await run(["lag", key])).code, "file").toBe(6);
  });

  test("a global option can have a default for one command", async () => {
    const key = await behind();
    write(`url: ${url()}\ndefaults: {lag: {output: json}}\n`);
    expect(JSON.parse((await run(["lag", key])).stdout)).toHaveLength(1);
    expect((await run(["lag", key, "-o", "ndjson"])).stdout).toMatch(/^\{/);
  });

  test("what a worker tells its handlers about an entry is no default for flags", async () => {
    const key = await behind();
    const env = { STREAMCTL_URL: url(), STREAMCTL_GROUP: "other" };
    expect(ndjson((await run(["lag", key], { env })).stdout)).toHaveLength(1);
  });
});

test("global flags work before and after the command, and its help shows them", async () => {
  const key = uniqueKey();
  await rawRedis().xadd(key, "*", "a", "1");
  const { hostname, port } = new URL(inject("redisUrl"));
  expect((await run(["-H", hostname, "-p", port, "lag", key])).code).toBe(0);
  expect((await run(["lag", key, "-H", hostname, "-p", port])).code).toBe(0);
  const help = await run(["lag", "--help"]);
  expect(help.stdout).toMatch(/Global Options:[^]*--connect-timeout/);
  expect((await run(["--help"])).stdout).toMatch(/Connection options:[^]*--sentinel/);
});
