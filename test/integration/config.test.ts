import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { cli, type CliOptions, type CliResult, ndjson, uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";
import { serverUrl } from "../support/server-url.ts";

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
  const url = (): string => serverUrl();

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

  describe("what a worker tells its handlers about an entry", () => {
    test.each([
      ["--exec", ["--exec"], ""],
      ["--batch", ["--batch", "1", "--exec"], ""],
      ["--persistent", ["--persistent", "--exec"], "read -r line; echo ok; "],
    ])(
      "is no default for flags inside a handler (%s), while other variables are",
      async (_, manner, answer) => {
        const [key, seen] = [await behind(), uniqueKey("seen")];
        const file = join(home, "variables");
        const command = `${answer}env | grep ^STREAMCTL_ > ${file}`;
        const flags = ["-g", "g", "--count", "1", ...manner, command];
        expect((await run(["consume", key, ...flags], { env: { STREAMCTL_URL: url() } })).code).toBe(0);
        const lines = readFileSync(file, "utf8").trim().split("\n");
        const env = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2)));
        expect(env["STREAMCTL_GROUP"]).toBe("g");
        // The entry's ID, a batch's size and the worker's group are no flags of these.
        const produced = await run(["produce", seen, "a=1"], { env });
        expect(produced).toMatchObject({ code: 0 });
        expect(produced.stdout.trim()).not.toBe(env["STREAMCTL_ID"]);
        expect(ndjson((await run(["lag", seen], { env })).stdout)).toEqual([]);
        await rawRedis().xgroup("CREATE", seen, "other", "0");
        const named = { ...env, STREAMCTL_GROUP: "other", STREAMCTL_SET_BY_WORKER: undefined };
        expect(ndjson((await run(["pending", seen], { env: named })).stdout)).toEqual([]);
      },
    );

    test("is a default outside of one: every flag has its variable", async () => {
      const key = await behind();
      await rawRedis().xgroup("CREATE", key, "h", "0");
      const env = { STREAMCTL_URL: url(), STREAMCTL_GROUP: "h", STREAMCTL_ID: "9999999999999-7" };
      const rows = ndjson((await run(["lag", key], { env })).stdout);
      expect(rows.map(({ group }) => group)).toEqual(["h"]);
      expect((await run(["produce", key, "a=1"], { env })).stdout).toContain("9999999999999-7");
      const consumed = await run(["consume", key, "--count", "1"], {
        env: { ...env, STREAMCTL_CONSUMER: "me", STREAMCTL_NO_ACK: "true" },
      });
      expect(consumed.code, consumed.stderr).toBe(0);
      expect(await rawRedis().xpending(key, "h", "-", "+", 10)).toMatchObject([
        [expect.anything(), "me", expect.anything(), 1],
      ]);
    });
  });

  describe("flags that say no", () => {
    async function pendingAfter(env: Record<string, string>): Promise<CliResult & { pending: number }> {
      const key = await behind();
      const argv = ["consume", key, "-g", "g", "--count", "1"];
      const result = await run(argv, { env: { STREAMCTL_URL: url(), ...env } });
      const [pending] = (await rawRedis().xpending(key, "g")) as [number];
      return { ...result, pending };
    }

    test.each([
      ["true", 1],
      ["1", 1],
      ["false", 0],
    ])("STREAMCTL_NO_ACK=%s", async (value, pending) => {
      expect(await pendingAfter({ STREAMCTL_NO_ACK: value })).toMatchObject({ code: 0, pending });
    });

    test("no-ack in a file", async () => {
      write("defaults: {consume: {no-ack: true}}\n");
      expect(await pendingAfter({})).toMatchObject({ code: 0, pending: 1 });
    });

    test("nonsense is an error, and nothing is read", async () => {
      const { code, stderr, pending } = await pendingAfter({ STREAMCTL_NO_ACK: "maybe" });
      expect({ code, pending }).toEqual({ code: 2, pending: 0 });
      expect(stderr).toContain("env STREAMCTL_NO_ACK: --no-ack: give true or false");
    });

    test("--no-create and --no-color", async () => {
      const key = uniqueKey();
      const env = { STREAMCTL_URL: url(), STREAMCTL_NO_CREATE: "true" };
      // Before Redis 6.2 the server can't do it, which is an error, too.
      expect((await run(["produce", key, "a=1"], { env })).code).toBeOneOf([4, 1]);
      expect(await rawRedis().exists(key)).toBe(0);
      const full = await behind();
      const colored = { STREAMCTL_URL: url(), FORCE_COLOR: "1", TERM: "xterm" };
      const table = ["lag", full, "--max-lag", "0"];
      expect((await run(table, { env: colored, columns: 100 })).stdout).toContain("\u001b[");
      const plain = await run(table, { env: { ...colored, STREAMCTL_NO_COLOR: "true" }, columns: 100 });
      expect(plain.stdout).not.toContain("\u001b[");
    });

    test.each([
      ["typed", ["--no-ack"], {}],
      ["in the environment", [], { STREAMCTL_NO_ACK: "true" }],
    ])("--no-ack (%s) is refused by a worker, which acks", async (_, flags, env) => {
      const key = await behind();
      const argv = ["consume", key, "-g", "g", "--until-empty", ...flags, "--exec", "true"];
      const { code, stderr } = await run(argv, { env: { STREAMCTL_URL: url(), ...env } });
      expect(code).toBe(2);
      expect(stderr).toContain("--no-ack: only for printing");
      expect(await rawRedis().xpending(key, "g")).toEqual([0, null, null, null]);
    });
  });

  describe("a default yields to what is typed", () => {
    test.each([
      ["trim", "maxlen: 1", ["--max-age", "1d"], 0],
      ["trim", "min-id: 5-0", ["--maxlen", "5"], 0],
      ["produce", "max-age: 1d, exact: true", ["--maxlen", "5", "a=1"], 0],
      ["produce", "idempotency-key: a, idempotency-ttl: 1d", ["--id", "9999999999999-1", "a=1"], 0],
      ["produce", "input: lines", ["a=1"], 0],
      ["lag", "interval: 5s, timeout: 5s, warn-lag: 1", [], 0],
      ["lag", "max-lag: 0", ["--check", "--warn-lag", "100", "--crit-lag", "200"], 0],
      ["consume", "group: g", ["--from", "-"], 0],
      ["consume", "batch-wait: 1s, ahead: 5", ["-g", "g", "--until-empty", "--exec", "true"], 0],
      [
        "consume",
        "batch: 5",
        ["-g", "g", "--until-empty", "--persistent", "--exec", "while read -r l; do echo ok; done"],
        0,
      ],
      ["consume", "exec: 'false'", ["-g", "g", "--until-empty", "--", "true"], 0],
      ["pending", "payload: true", ["-g", "g"], 0],
      ["claim", "limit: 5, all: true", ["-g", "g", "--to", "c", "5-5"], 4],
      ["dlq purge", "reason: x", ["-y"], 2],
      ["dlq purge", "reason: x, min-deliveries: 2", ["-y"], 2],
      ["produce", "field: payload, keep-id: true, keep-unread: true", ["a=1"], 0],
      ["consume", "group: g, where: a=1, from: '-'", ["--until-empty"], 0],
      ["consume", "group: g, batch-wait: 1s, group-start: $", ["--until-empty"], 0],
      ["group forget-consumer", "idle: 1d", ["nobody", "-g", "g"], 4],
    ])("%s with defaults {%s} and %o", async (command, defaults, more, code) => {
      const key = await behind();
      write(`url: ${url()}\ndefaults: {"${command}": {${defaults}}}\n`);
      const result = await run([...command.split(" "), key, ...more]);
      expect(result.code, result.stderr).toBe(code);
    });

    test("one of a stronger source wins over one of a weaker", async () => {
      const key = await behind();
      write(`url: ${url()}\ndefaults: {trim: {maxlen: 0}}\n`);
      const env = { STREAMCTL_MAX_AGE: "1d", STREAMCTL_EXACT: "1", STREAMCTL_FORCE: "1", STREAMCTL_YES: "1" };
      const { code, stderr } = await run(["trim", key], { env });
      expect(code, stderr).toBe(0);
      expect(await rawRedis().xlen(key)).toBe(2);
    });

    test("--field of a variable does not keep a configured worker from running", async () => {
      const key = await behind();
      write(`url: ${url()}\ndefaults: {consume: {group: g, until-empty: true, exec: "echo ran"}}\n`);
      const { code, stdout, stderr } = await run(["consume", key], { env: { STREAMCTL_FIELD: "a" } });
      expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: "ran\nran\n" });
    });

    test("a switch that is turned off takes nobody's place", async () => {
      const key = await behind();
      write(`url: ${url()}\ndefaults: {consume: {group: g, until-empty: true, batch: 2}}\n`);
      const env = { STREAMCTL_PERSISTENT: "false" };
      const { code, stdout } = await run(["consume", key, "--exec", "wc -l | tr -d ' '"], { env });
      expect({ code, stdout }).toEqual({ code: 0, stdout: "2\n" });
    });

    test("--dry-run is never left out, not even where it does nothing", async () => {
      const key = await behind();
      await rawRedis().xreadgroup("GROUP", "g", "c", "COUNT", 1, "STREAMS", key, ">");
      const env = { STREAMCTL_URL: url(), STREAMCTL_DRY_RUN: "1" };
      const { code, stderr } = await run(["group", "forget-consumer", key, "c", "-g", "g"], { env });
      expect(code).toBe(2);
      expect(stderr).toContain("--dry-run goes with --all-empty");
    });

    test("a typed --profile is stronger than the environment, its defaults, too", async () => {
      const key = await behind();
      write(`profiles: {p: {url: "${url()}", defaults: {lag: {max-lag: 5}}}}\n`);
      const env = { STREAMCTL_MAX_LAG: "1", REDIS_URL: "redis://127.0.0.1:1" };
      expect((await run(["lag", key, "--profile", "p"], { env })).code).toBe(0);
      expect((await run(["lag", key, "--profile", "p", "--max-lag", "1"], { env })).code).toBe(6);
    });

    test("STREAMCTL_JSON is --json, and yields to a typed -o", async () => {
      const key = await behind();
      const env = { STREAMCTL_URL: url(), STREAMCTL_JSON: "1" };
      expect(JSON.parse((await run(["lag", key], { env })).stdout)).toHaveLength(1);
      expect((await run(["lag", key, "-o", "csv"], { env })).stdout).toMatch(/^stream,/);
    });
  });

  test("a read-only profile's server is read-only by whatever name it is reached", async () => {
    const key = await behind();
    write(`profiles: {reporting: {url: "${url()}", readOnly: true}}\n`);
    for (const [flags, env] of [
      [["-u", url()], {}],
      [[], { REDIS_URL: url() }],
    ] as const) {
      const { code, stderr } = await run(["produce", key, "a=1", ...flags], { env });
      expect(code).toBe(2);
      expect(stderr).toContain('profile "reporting" is read-only');
    }
    expect(await rawRedis().xlen(key)).toBe(2);
  });
});

test("global flags work before and after the command, and its help shows them", async () => {
  const key = uniqueKey();
  await rawRedis().xadd(key, "*", "a", "1");
  const { hostname, port } = new URL(serverUrl());
  expect((await run(["-H", hostname, "-p", port, "lag", key])).code).toBe(0);
  expect((await run(["lag", key, "-H", hostname, "-p", port])).code).toBe(0);
  const help = await run(["lag", "--help"]);
  expect(help.stdout.replace(/\s+/g, " ")).toContain("streamctl help connection");
  expect((await run(["help", "connection"])).stdout).toMatch(/--sentinel [^]*--connect-timeout/);
});
