import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { drain, fill, scratchDir, SHELL_WAYS } from "../../support/worker.ts";

describe.each(SHELL_WAYS)("a handler run %s", (_, way) => {
  test("gets the entry as one JSON line on stdin, and its facts in the environment", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const id = await redis.xadd(
      stream,
      "*",
      "a",
      "x y\n$(touch /tmp/never) `id` \u00e9",
      "b",
      Buffer.from([255]),
    );
    const show =
      'cat; printf "%s|%s|%s|%s\\n" "$STREAMCTL_STREAM" "$STREAMCTL_GROUP" "$STREAMCTL_ID" "$STREAMCTL_DELIVERIES"';
    const { stdout } = await drain(stream, show, way);
    const [line = "", env] = stdout.split("\n");
    expect(ndjson(line)[0]).toMatchObject({
      stream,
      id,
      deliveries: 1,
      fields: { a: "x y\n$(touch /tmp/never) `id` \u00e9", b: { base64: "/w==" } },
    });
    expect(env).toBe(`${stream}|g|${id}|1`);
  });

  test.each([
    ["fields", '{"n":"0"}\n'],
    ["field:n", "0"],
    ["field:missing?", ""],
    ["none", ""],
  ])("--stdin %s", async (form, expected) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const dir = await scratchDir();
    await drain(stream, `cat > ${dir}/in`, [...way, "--stdin", form]);
    expect(await readFile(`${dir}/in`, "utf8")).toBe(expected);
  });

  test("may leave a large stdin unread", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "*", "big", "x".repeat(600_000));
    expect((await drain(stream, "exit 0", way)).stderr).toContain("1 ok");
  });

  test("gets a payload of several megabytes whole", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "*", "big", "x".repeat(3_000_000));
    expect((await drain(stream, "wc -c", [...way, "--stdin", "field:big"])).stdout.trim()).toBe("3000000");
  });

  test("leaves nothing behind for the next one: variables, directory, traps, exit", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 3);
    const command = 'echo "[$seen] $PWD"; seen=yes; cd /tmp; trap "echo bye" EXIT; exit 0';
    expect((await drain(stream, command, way)).stdout).toBe("[] /\nbye\n".repeat(3));
  });

  test("has its output passed on by whole lines, also the last one without an end", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 8);
    const slow =
      'for i in 1 2 3; do printf "%s-" "$STREAMCTL_ID"; sleep 0.01; printf "%s\\n" "$STREAMCTL_ID"; done; printf last';
    const { stdout } = await drain(stream, slow, [...way, "-j", "4"]);
    const lines = stdout.split("\n").filter((line) => line !== "");
    expect(lines.filter((line) => line === "last")).toHaveLength(8);
    for (const line of lines) expect(line).toMatch(/^(last|(\d+-\d+)-\2)$/);
    expect(lines).toHaveLength(32);
  });

  test("has every line of its output tagged with --tag, on both streams", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [id] = await fill(redis, stream, 1);
    const result = await drain(stream, "echo one; echo two >&2", [...way, "--tag"]);
    expect(result.stdout).toBe(`${id} one\n`);
    expect(result.stderr).toContain(`${id} two\n`);
  });

  test("may leave a child behind that keeps its pipes: the verdict does not wait for it", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const dir = await scratchDir();
    const result = await drain(stream, `sleep 20 & echo $! >> ${dir}/pids; exit 0`, way);
    expect(result.stderr).toContain("2 ok");
    for (const pid of (await readFile(`${dir}/pids`, "utf8")).trim().split("\n"))
      process.kill(Number(pid), "SIGKILL");
  });

  test("keeps stdout and stderr apart and in order", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await drain(stream, "for i in 1 2 3; do echo out$i; echo err$i >&2; done", [...way, "-q"]);
    expect(result.stdout).toBe("out1\nout2\nout3\n");
    expect(result.stderr).toBe("err1\nerr2\nerr3\n");
  });
});

describe("a handler", () => {
  test("gets FIELD_ variables with --env-fields, never as part of the command", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await redis.xadd(stream, "*", "order-id", '"; echo injected; "');
    const { stdout } = await drain(stream, 'echo "$FIELD_ORDER_ID"', ["--env-fields"]);
    expect(stdout).toBe('"; echo injected; "\n');
  });

  test("may be a program with arguments after --, which no shell touches", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const argv = [
      "consume",
      stream,
      "-g",
      "g",
      "--create-group",
      "--until-empty",
      "--",
      "printf",
      "%s|",
      "a b",
      "$HOME",
    ];
    expect((await cli(argv)).stdout).toBe("a b|$HOME|\n");
  });

  test("does not see the variables by which the waiting shell works", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const { stdout } = await drain(stream, "env; echo $# $0");
    expect(stdout).not.toContain("__streamctl");
    expect(stdout).toContain("0 sh\n");
  });
});
