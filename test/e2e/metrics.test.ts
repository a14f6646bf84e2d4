import { describe, expect, test } from "vitest";
import { BinRun } from "../support/bin.ts";
import { ndjson, uniqueKey } from "../support/cli.ts";
import { ask, metricsUrl, scrape } from "../support/http.ts";
import { rawRedis, until } from "../support/redis.ts";
import { closedGate, fill, workerArgv } from "../support/worker.ts";

describe("the built program", () => {
  test("a worker serves metrics and probes until it has stopped, and logs nothing but JSON", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const flags = ["--metrics-port", "0", "--log", "json"];
    const gate = await closedGate();
    const run = new BinRun(workerArgv(stream, `echo started; ${gate.wait}`, ...flags));
    const url = await until("it listens", () => metricsUrl(run));
    await until("the handler runs", () => run.stdout.includes("started"));
    expect((await scrape(url)).value("streamctl_running")).toBe(1);
    expect((await ask(`${url}/readyz`)).status).toBe(200);
    run.signal("SIGTERM");
    await until("it is stopping", async () => (await ask(`${url}/readyz`)).status === 503);
    expect((await ask(`${url}/healthz`)).status).toBe(200);
    await gate.open();
    const { code, stderr } = await run.done;
    expect(code).toBe(0);
    expect(ndjson(stderr).at(-1)).toMatchObject({ level: "info", ok: 1 });
  });

  test("serve-metrics goes on until SIGTERM", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 2);
    const run = new BinRun(["serve-metrics", stream, "--metrics-port", "0"]);
    const url = await until("it listens", () => metricsUrl(run));
    await until("it is ready", async () => (await ask(`${url}/readyz`)).status === 200);
    expect((await scrape(url)).value("streamctl_stream_entries", { stream })).toBe(2);
    run.signal("SIGTERM");
    expect(await run.done).toMatchObject({ code: 0, stdout: "" });
  });
});
