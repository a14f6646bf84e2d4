import { connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { cli, CliRun, uniqueKey } from "../../support/cli.ts";
import { ask, metricsUrl, scrape } from "../../support/http.ts";
import type { Exposition } from "../../support/prometheus.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { fill } from "../../support/worker.ts";

interface Served {
  readonly run: CliRun;
  readonly url: string;
}

/** An exporter that goes on until the test stops it, and has looked once. */
async function serve(names: readonly string[], more: string[] = [], redisUrl?: string): Promise<Served> {
  const argv = ["serve-metrics", ...names, "--metrics-port", "0", "--interval", "1s", ...more];
  const run = new CliRun(argv, redisUrl === undefined ? {} : { url: redisUrl });
  onTestFinished(async () => {
    run.signal("SIGTERM");
    await run.done;
  });
  const url = await until("it listens", () => metricsUrl(run));
  await until("it is ready", async () => (await ask(`${url}/readyz`)).status === 200);
  return { run, url };
}

/** Scrapes until the metrics are as they should be. */
async function untilShown(url: string, what: string, probe: (metrics: Exposition) => boolean): Promise<void> {
  await until(what, async () => probe(await scrape(url)));
}

describe("serve-metrics", () => {
  test("shows streams, groups and dead letters, and follows what changes", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 5);
    await redis.xgroup("CREATE", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "c", "COUNT", 2, "STREAMS", stream, ">");
    await redis.xadd(`${stream}:dlq`, "*", "n", "1");
    const { url } = await serve([stream]);
    const metrics = await scrape(url);
    const group = { stream, group: "g" };
    expect(metrics.value("streamctl_stream_entries", { stream })).toBe(5);
    expect(metrics.value("streamctl_stream_memory_bytes", { stream })).toBeGreaterThan(0);
    expect(metrics.value("streamctl_group_lag_entries", group)).toBe(3);
    expect(metrics.value("streamctl_group_pending_entries", group)).toBe(2);
    expect(metrics.value("streamctl_group_max_deliveries", group)).toBe(1);
    expect(metrics.value("streamctl_dead_letters", { stream, dlq: `${stream}:dlq` })).toBe(1);
    expect(metrics.value("streamctl_streams_left_out")).toBe(0);
    expect(metrics.value("streamctl_connected")).toBe(1);
    await redis.xreadgroup("GROUP", "g", "c", "COUNT", 3, "STREAMS", stream, ">");
    await untilShown(url, "the lag is 0", (now) => now.value("streamctl_group_lag_entries", group) === 0);
  });

  test("idle connections keep no probe waiting, and are closed in time", async () => {
    const { url } = await serve([uniqueKey()]);
    const { hostname, port } = new URL(url);
    // Silent, in the middle of a request, and kept open after one.
    const begun = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    const kinds = ["", begun, `${begun}\r\n`];
    let open = 0;
    const sockets = Array.from({ length: 99 }, (__, n) => {
      const socket = connect({ host: hostname, port: Number(port) }, () => open++);
      socket.on("error", () => {});
      socket.on("close", () => open--);
      socket.resume().write(kinds[n % kinds.length] as string);
      return socket;
    });
    onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
    await until("as many are open as may be", () => open === 64);
    for (let n = 0; n < 3; n++) expect((await ask(`${url}/healthz`)).status).toBe(200);
    await until("all are closed", () => open === 0);
  });

  test("patterns are looked up anew; what has gone is not shown any more", async () => {
    const redis = rawRedis();
    const prefix = uniqueKey();
    const { url } = await serve([`${prefix}:*`]);
    const count = (metrics: Exposition): number => metrics.samples("streamctl_stream_entries").length;
    expect(count(await scrape(url))).toBe(0);
    await fill(redis, `${prefix}:a`, 1);
    await fill(redis, `${prefix}:b`, 1);
    await untilShown(url, "both are there", (metrics) => count(metrics) === 2);
    await redis.del(`${prefix}:a`);
    await untilShown(url, "one has gone", (metrics) => count(metrics) === 1);
  });

  test("-g shows one group alone", async () => {
    const redis = rawRedis();
    const stream = uniqueKey();
    for (const group of ["a", "b"]) await redis.xgroup("CREATE", stream, group, "0", "MKSTREAM");
    const { url } = await serve([stream], ["-g", "b"]);
    const shown = (await scrape(url)).samples("streamctl_group_consumers");
    expect(shown.map(({ labels }) => labels["group"])).toEqual(["b"]);
  });

  test("while Redis is away: no samples, not ready, alive; the outage is told once", async () => {
    const proxy = await Proxy.start();
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const { run, url } = await serve([stream], [], proxy.url);
    proxy.refuse();
    await until("it is not ready", async () => (await ask(`${url}/readyz`)).status === 503);
    const metrics = await scrape(url);
    expect(metrics.samples("streamctl_stream_entries")).toEqual([]);
    expect(metrics.value("streamctl_connected")).toBe(0);
    expect((await ask(`${url}/healthz`)).status).toBe(200);
    await until("it is told", () => run.stderr.includes("waiting for Redis"));
    proxy.accept();
    await until("it is ready again", async () => (await ask(`${url}/readyz`)).status === 200);
    expect(run.stderr.match(/waiting for Redis/g)).toHaveLength(1);
  });

  test("SIGTERM ends it with exit 0 and an empty stdout", async () => {
    const { run } = await serve([uniqueKey()]);
    run.signal("SIGTERM");
    expect(await run.done).toMatchObject({ code: 0, stdout: "" });
  });

  test("no server: one line and exit 3", async () => {
    const result = await cli(["serve-metrics", "--metrics-port", "0"], { url: "redis://127.0.0.1:1" });
    expect(result.code).toBe(3);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
  });

  test("too short an interval is a usage error", async () => {
    const result = await cli(["serve-metrics", "--interval", "10ms"]);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining("--interval") });
  });
});
