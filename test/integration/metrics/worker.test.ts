import { createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { CliRun } from "../../support/cli.ts";
import { cli, uniqueKey } from "../../support/cli.ts";
import { ask, metricsUrl, scrape } from "../../support/http.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { closedGate, fill, pendingIn, startWorker, workerArgv } from "../../support/worker.ts";
import { serverUrl } from "../../support/server-url.ts";

const ANY_PORT = ["--metrics-port", "0"];

function listening(worker: CliRun): Promise<string> {
  return until("the worker listens", () => metricsUrl(worker));
}

/** The count of a verdict as the metrics have it. */
async function verdicts(url: string, stream: string): Promise<Record<string, number>> {
  const samples = (await scrape(url)).samples("streamctl_entries_total");
  return Object.fromEntries(
    samples
      .filter(({ labels }) => labels["stream"] === stream)
      .map(({ labels, value }) => [labels["verdict"], value]),
  );
}

describe("a worker's metrics", () => {
  test("count what became of the entries, and how the command ended", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 10);
    const command =
      'read -r l; case $l in *\'"n":"3"\'*) exit 65;; *\'"n":"4"\'*) [ $STREAMCTL_DELIVERIES -gt 1 ] || exit 9;; *\'"n":"5"\'*) [ $STREAMCTL_DELIVERIES -gt 1 ] || kill -9 $$;; esac';
    const worker = startWorker(stream, command, ANY_PORT);
    const url = await listening(worker);
    await until("all is settled", async () => {
      const { ok, dead } = await verdicts(url, stream);
      return ok === 9 && dead === 1;
    });
    expect(await verdicts(url, stream)).toEqual({
      ok: 9,
      retry: 2,
      snooze: 0,
      dead: 1,
      duplicate: 0,
      unmatched: 0,
      lost: 0,
      missing: 0,
      released: 0,
    });
    const metrics = await scrape(url);
    const exits = metrics
      .samples("streamctl_handler_exits_total")
      .map(({ labels, value }) => [labels["code"], value]);
    expect(Object.fromEntries(exits)).toEqual({ 0: 9, 9: 1, 65: 1, KILL: 1 });
    expect(metrics.value("streamctl_handler_duration_seconds_count")).toBe(12);
    expect(metrics.value("streamctl_running")).toBe(0);
    expect(metrics.value("streamctl_in_flight")).toBe(0);
    expect(metrics.value("streamctl_paused")).toBe(0);
    expect(metrics.value("streamctl_connected")).toBe(1);
  });

  test("tell what runs and is in hand while it is", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 5);
    const worker = startWorker(stream, "sleep 30", [...ANY_PORT, "-j", "2", "--kill-after", "100ms"]);
    const url = await listening(worker);
    await until("two run", async () => (await scrape(url)).value("streamctl_running") === 2);
    const group = { stream, group: "g" };
    await until(
      "the lag is known",
      async () => (await scrape(url)).value("streamctl_group_lag_entries", group) === 3,
    );
    const metrics = await scrape(url);
    expect(metrics.value("streamctl_in_flight")).toBe(2);
    expect(metrics.value("streamctl_group_lag_at_least_entries", group)).toBe(3);
    expect(metrics.value("streamctl_group_pending_entries", group)).toBe(2);
    expect(metrics.value("streamctl_group_consumers", group)).toBe(1);
  });

  test("count entries taken over, found without data, and skipped as duplicates", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    const [first, second] = await fill(redis, stream, 2);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "dead-worker", "COUNT", 2, "STREAMS", stream, ">");
    await redis.xdel(stream, first as string);
    const worker = startWorker(stream, "true", [...ANY_PORT, "--dedupe", "n"]);
    const url = await listening(worker);
    await until("the pending entries are gone", async () => (await pendingIn(redis, stream)) === 0);
    await redis.xadd(stream, "*", "n", "1");
    await until("the duplicate is counted", async () => (await verdicts(url, stream))["duplicate"] === 1);
    expect(await verdicts(url, stream)).toMatchObject({ ok: 1, missing: 1, duplicate: 1 });
    const takeovers = (await scrape(url)).value("streamctl_takeovers_total", { stream, group: "g" });
    expect(takeovers).toBe(1);
    expect(second).toBeDefined();
  });

  test("the group's samples go when the lag is not known any more", async () => {
    const proxy = await Proxy.start();
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const worker = startWorker(stream, "true", ANY_PORT, { url: proxy.url });
    const url = await listening(worker);
    const lag = async (): Promise<number | undefined> =>
      (await scrape(url)).value("streamctl_group_lag_entries", { stream, group: "g" });
    await until("the lag is known", async () => (await lag()) === 0);
    proxy.refuse();
    await until("it is absent", async () => (await lag()) === undefined);
    expect((await scrape(url)).value("streamctl_connected")).toBe(0);
  });

  test("a user who may not ask for the lag is told so once, and the rest goes on", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const user = `worker${Date.now()}`;
    const rights = ["on", ">secret", `~${stream}`, "+@all", "-time", "-info"];
    await redis.call("ACL", "SETUSER", user, ...rights);
    onTestFinished(async () => void (await redis.call("ACL", "DELUSER", user)));
    const redisUrl = serverUrl().replace("redis://", `redis://${user}:secret@`);
    const worker = startWorker(stream, "true", ANY_PORT, { url: redisUrl });
    const url = await listening(worker);
    await until("it is counted", async () => (await verdicts(url, stream))["ok"] === 1);
    await until("it is told", () => worker.stderr.includes("the lag can't be shown: no permission for TIME"));
    expect((await scrape(url)).samples("streamctl_group_lag_at_least_entries")).toEqual([]);
  });

  test("a stream's name is escaped, whatever is in it", async () => {
    const stream = uniqueKey('a"b\\c\nd{e="f"}');
    await fill(rawRedis(), stream, 1);
    const worker = startWorker(stream, "true", ANY_PORT);
    const url = await listening(worker);
    await until("it is counted", async () => (await verdicts(url, stream))["ok"] === 1);
  });

  test("another path, another method", async () => {
    const stream = uniqueKey();
    const url = await listening(startWorker(stream, "true", ANY_PORT));
    expect(await ask(`${url}/`)).toMatchObject({ status: 404 });
    expect(await ask(`${url}/metrics`, "POST")).toMatchObject({
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
    expect(await ask(`${url}/metrics?x=1`, "HEAD")).toMatchObject({ status: 200, body: "" });
    expect((await ask(`${url}/metrics`)).headers["content-type"]).toBe(
      "text/plain; version=0.0.4; charset=utf-8",
    );
  });
});

describe("a worker's probes", () => {
  test("ready while it reads, not while Redis is away; alive all the time", async () => {
    const proxy = await Proxy.start();
    const worker = startWorker(uniqueKey(), "true", ANY_PORT, { url: proxy.url });
    const url = await listening(worker);
    const ready = async (): Promise<number> => (await ask(`${url}/readyz`)).status;
    await until("it is ready", async () => (await ready()) === 200);
    proxy.refuse();
    await until("it is not ready", async () => (await ready()) === 503);
    expect((await ask(`${url}/healthz`)).status).toBe(200);
    proxy.accept();
    await until("it is ready again", async () => (await ready()) === 200);
  });

  test("stopping: not ready, but alive and still telling, until the last handler has ended", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const gate = await closedGate();
    const worker = startWorker(stream, `echo started; ${gate.wait}`, ANY_PORT);
    const url = await listening(worker);
    await until("the handler runs", () => worker.stdout.includes("started"));
    worker.signal("SIGTERM");
    expect(await ask(`${url}/readyz`)).toMatchObject({ status: 503, body: "stopping\n" });
    expect((await ask(`${url}/healthz`)).status).toBe(200);
    expect((await scrape(url)).value("streamctl_running")).toBe(1);
    await gate.open();
    expect((await worker.done).code).toBe(0);
    await expect(ask(`${url}/healthz`)).rejects.toThrow("ECONNREFUSED");
  });

  test("a worker all of whose places are taken by long work is alive and ready", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 2);
    const worker = startWorker(stream, "sleep 30", [...ANY_PORT, "--kill-after", "100ms"]);
    const url = await listening(worker);
    await until("it works", async () => (await scrape(url)).value("streamctl_running") === 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await scrape(url)).value("streamctl_turn_seconds")).toBe(0);
    expect((await ask(`${url}/healthz`)).status).toBe(200);
    expect((await ask(`${url}/readyz`)).status).toBe(200);
  });
});

describe("--metrics-port and --metrics-host", () => {
  test("a port in use ends the run before anything is made or read", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? String(address.port) : "";
    const stream = uniqueKey();
    const result = await cli(workerArgv(stream, "true", "--metrics-port", port));
    expect(result).toMatchObject({ code: 1, stdout: "" });
    // A worker's lines begin with the time.
    expect(result.stderr.replace(/^\S+Z /, "")).toBe(
      `streamctl: error: --metrics-port ${port} is in use on 127.0.0.1: choose another port, or end the program that listens there\n`,
    );
    expect(await rawRedis().exists(stream)).toBe(0);
  });

  test("without a command to run they are refused, as all the worker's flags are", async () => {
    const argv = ["consume", uniqueKey(), "--metrics-port", "0", "--jobs", "2"];
    expect(await cli(argv)).toMatchObject({
      code: 2,
      stderr: "streamctl: error: --jobs, --metrics-port: only with --exec, --post, or a program after --\n",
    });
  });

  test.each([
    ["65536", []],
    ["-1", []],
    ["http", []],
    ["0", ["--metrics-host", "203.0.113.1"]],
  ])("%s %j is a usage error", async (port, more) => {
    const stream = uniqueKey();
    const result = await cli(workerArgv(stream, "true", "--metrics-port", port, ...more));
    expect(result.code).toBe(2);
    expect(await rawRedis().exists(stream)).toBe(0);
  });
});
