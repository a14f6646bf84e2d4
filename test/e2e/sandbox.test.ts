import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, inject, onTestFinished, test } from "vitest";
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

describe.each(["docker", "podman"])("a sandbox by %s, without testcontainers", (program) => {
  /**
   * An engine as far as streamctl uses one: a "container" is a real server in a session of its own, which `run` shows the
   * output of and hands SIGTERM to, and which outlives a `run` that is killed.
   */
  async function engine({ image = "redis:7.4", onTerm = "kill -TERM $pid" } = {}): Promise<{
    env: Record<string, string>;
    calls: () => Promise<string[]>;
    containers: () => Promise<string[]>;
  }> {
    const folder = await mkdtemp(join(tmpdir(), "engine-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, program);
    await writeFile(
      file,
      `#!/bin/sh
cd ${folder}
echo "$@" >> calls
verb=$1; shift
case $verb in
  ps) ;;
  image) grep -qx "$2" images ;;
  pull) [ "$2" != redis:none ] || { echo "manifest unknown" >&2; exit 1; }; echo "$2" >> images ;;
  run)
    while [ "$1" != redis-server ]; do [ "$1" != --name ] || name=$2; shift; done
    shift
    setsid ${inject("redisExecutable")} "$@" &
    pid=$!
    echo $pid > $name.container
    trap '${onTerm}' TERM
    while kill -0 $pid 2>/dev/null; do wait $pid; done
    rm -f $name.container ;;
  kill) kill -s "\${2#SIG}" "$(cat $3.container)" ;;
  rm) kill -KILL "$(cat $2.container)"; rm -f $2.container ;;
esac
`,
    );
    await chmod(file, 0o755);
    await writeFile(join(folder, "images"), `${image}\n`);
    return {
      env: {
        PATH: `${folder}:${process.env["PATH"]}`,
        DOCKER_HOST: "unix:///nonexistent/docker.sock",
        STREAMCTL_REDIS_SERVER: "docker:redis:7.4",
      },
      calls: async () => (await readFile(join(folder, "calls"), "utf8")).trim().split("\n"),
      containers: async () => (await readdir(folder)).filter((name) => name.endsWith(".container")),
    };
  }

  test("is on the host's network as this user, and goes when it is interrupted", async () => {
    const { env, calls, containers } = await engine();
    const run = new BinRun(["sandbox", "--set", "maxmemory=3mb"], { env });
    const url = await until("a URL is printed", () => /^redis:\/\/\S+\n$/.exec(run.stdout)?.[0].trim());
    expect(await rawRedis(url).config("GET", "maxmemory")).toEqual(["maxmemory", String(3 * 1024 * 1024)]);
    expect(await containers()).toHaveLength(1);
    run.signal("SIGINT");
    expect((await run.done).code).toBe(0);
    await run.untilGone();
    expect(await containers()).toEqual([]);
    const [line = ""] = (await calls()).filter((call) => call.startsWith("run "));
    for (const part of [
      "--rm",
      "--network host",
      `--volume ${tmpdir()}:${tmpdir()}`,
      " redis:7.4 redis-server --port",
    ])
      expect(line).toContain(part);
    expect(line).toMatch(/--user \d+:\d+ /);
    expect((await calls()).filter((call) => call.startsWith("pull"))).toEqual([]);
  });

  test("leaves no container and no folder behind when streamctl is killed with SIGKILL", async () => {
    const { env, containers } = await engine();
    const run = new BinRun(["sandbox"], { env });
    const url = await until("a URL is printed", () => /^redis:\/\/\S+\n$/.exec(run.stdout)?.[0].trim());
    expect(await rawRedis(url).ping()).toBe("PONG");
    run.signal("SIGKILL");
    await run.done;
    await run.untilGone();
    expect(await containers()).toEqual([]);
    await until("the server's folder is removed", async () => (await servers()).length === 0);
  });

  test("leaves no container behind whose engine does not pass signals on", async () => {
    const { env, containers } = await engine({ onTerm: "" });
    const run = new BinRun(["sandbox"], { env });
    await until("a URL is printed", () => run.stdout);
    run.signal("SIGKILL");
    await run.done;
    await run.untilGone();
    expect(await containers()).toEqual([]);
    await until("the server's folder is removed", async () => (await servers()).length === 0);
  });

  test("ends a server that was stopped (SIGSTOP)", async () => {
    const { env, containers } = await engine();
    const run = new BinRun(["sandbox"], { env });
    const url = await until("a URL is printed", () => /^redis:\/\/\S+\n$/.exec(run.stdout)?.[0].trim());
    const info = await rawRedis(url).info("server");
    process.kill(Number(/^process_id:(\d+)/m.exec(info)?.[1]), "SIGSTOP");
    run.signal("SIGTERM");
    expect((await run.done).code).toBe(0);
    await run.untilGone();
    expect(await containers()).toEqual([]);
  });

  test("fetches an image that is not there; one that does not exist is named", async () => {
    const { env, calls } = await engine({ image: "other" });
    const echo = ["sandbox", "--", "echo", "ran"];
    expect(await bin(echo, { env })).toMatchObject({ code: 0, stdout: "ran\n" });
    expect(await calls()).toContain("pull --quiet redis:7.4");
    const result = await bin(echo, { env: { ...env, STREAMCTL_REDIS_SERVER: "docker:redis:none" } });
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toContain(`${program} can't fetch redis:none: manifest unknown`);
  });
});

test("a container where nothing runs one: an error that says so", async () => {
  const result = await bin(["sandbox"], {
    env: {
      PATH: "/nonexistent",
      DOCKER_HOST: "unix:///nonexistent/docker.sock",
      STREAMCTL_REDIS_SERVER: "docker:redis:7.4",
    },
  });
  expect(result).toMatchObject({ code: 1, stdout: "" });
  expect(result.stderr).toContain("nothing runs containers here: can't start docker:redis:7.4");
});
