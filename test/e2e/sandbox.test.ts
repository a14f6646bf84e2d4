import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { bin, BinRun } from "../support/bin.ts";
import { rawRedis, until } from "../support/redis.ts";

const servers = async (): Promise<string[]> =>
  (await readdir(tmpdir())).filter((name) => name.startsWith("streamctl-redis-"));

describe("sandbox", () => {
  test("prints the URL of a server that answers, and takes it along when it is interrupted", async () => {
    const run = new BinRun(["sandbox"]);
    const url = await until("a URL is printed", () => /^redis:\/\/\S+\n$/.exec(run.stdout)?.[0].trim());
    expect(await rawRedis(url).ping()).toBe("PONG");
    run.signal("SIGINT");
    expect((await run.done).code).toBe(0);
    await run.untilGone();
    expect(await servers()).toEqual([]);
  });

  test("leaves neither server nor folder behind when it is killed with SIGKILL", async () => {
    const run = new BinRun(["sandbox", "--json"]);
    const { url } = JSON.parse(await until("a line is printed", () => run.stdout)) as { url: string };
    expect(await rawRedis(url).ping()).toBe("PONG");
    run.signal("SIGKILL");
    await run.done;
    await run.untilGone();
    await until("the server's folder is removed", async () => (await servers()).length === 0);
  });

  test("gives a command its URL, stdin, stdout and exit code", async () => {
    const script = 'read -r line; echo "$line $REDIS_URL $STREAMCTL_URL ${REDIS_HOST-unset}"; exit 7';
    const env = { REDIS_HOST: "production.example" };
    const result = await bin(["sandbox", "--", "sh", "-c", script], { stdin: "hello\n", env });
    expect(result.stdout).toMatch(/^hello (redis:\/\/127\.0\.0\.1:\d+) \1 unset\n$/);
    expect(result.code).toBe(7);
    expect(await servers()).toEqual([]);
  });

  test("hands SIGTERM to the command, and ends as it did", async () => {
    const script = 'trap "echo caught; exit 3" TERM; echo up; while :; do sleep 0.05; done';
    const run = new BinRun(["sandbox", "--", "sh", "-c", script]);
    await until("the command runs", () => run.stdout.includes("up"));
    run.signal("SIGTERM");
    expect(await run.done).toMatchObject({ code: 3, stdout: "up\ncaught\n" });
    await run.untilGone();
  });

  test("reports a command killed by a signal as a shell does", async () => {
    expect((await bin(["sandbox", "--", "sh", "-c", "kill -KILL $$"])).code).toBe(137);
  });

  test("reports a command that does not exist with 127", async () => {
    const result = await bin(["sandbox", "--", "/no/such/program"]);
    expect(result).toMatchObject({ code: 127, stdout: "" });
    expect(result.stderr).toContain("can't run /no/such/program: not found");
  });

  test("passes settings on to the server", async () => {
    const run = new BinRun(["sandbox", "--set", "maxmemory=3mb"]);
    const url = await until("a URL is printed", () => /^redis:\/\/\S+\n$/.exec(run.stdout)?.[0].trim());
    expect(await rawRedis(url).config("GET", "maxmemory")).toMatchObject([
      "maxmemory",
      String(3 * 1024 * 1024),
    ]);
    run.signal("SIGTERM");
    await run.done;
  });

  test("says in the server's own words why it did not start", async () => {
    const result = await bin(["sandbox", "--set", "no-such-setting=1"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/did not start: .*no-such-setting/);
    expect(await servers()).toEqual([]);
  });

  test("fails when its server ends by itself", async () => {
    const run = new BinRun(["sandbox"]);
    const url = await until("a URL is printed", () => /^redis:\/\/\S+\n$/.exec(run.stdout)?.[0].trim());
    await rawRedis(url)
      .shutdown("NOSAVE")
      .catch(() => {});
    const result = await run.done;
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("has ended by itself");
  });
});
