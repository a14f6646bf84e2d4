import { describe, expect, test } from "vitest";
import type { GroupLag } from "../../../src/engine/lag/lag.ts";
import type { Outcome } from "../../../src/engine/handlers/outcome.ts";
import { groupName, streamKey } from "../../../src/entry/names.ts";
import { addGroupGauges } from "../../../src/metrics/group-gauges.ts";
import { MetricSet } from "../../../src/metrics/metric-set.ts";
import { addWorkerMetrics } from "../../../src/metrics/worker-metrics.ts";
import { Exposition } from "../../support/prometheus.ts";
import { entryId } from "../../support/ids.ts";

const NO_BYTES = Buffer.alloc(0);
const exit = (code: number): Outcome => ({ kind: "exit", code, stderr: NO_BYTES });
const ok: Outcome = { kind: "answer", answer: "ok", stderr: NO_BYTES };
const dead: Outcome = { kind: "answer", answer: "dead", reason: "no", stderr: NO_BYTES };

async function exitCodesAfter(...runs: Outcome[][]): Promise<Record<string, number>> {
  const metrics = await MetricSet.open(() => true);
  const observer = addWorkerMetrics(metrics, {
    streams: ["s"],
    group: "g",
    state: () => ({ running: 0, inFlight: 0, paused: false, groupPaused: 0, reading: true, turnMs: 0 }),
    lag: () => undefined,
  });
  for (const outcomes of runs) observer.ran(outcomes, 20);
  const shown = new Exposition(await metrics.text());
  const samples = shown.samples("streamctl_handler_exits_total");
  const codes = Object.fromEntries(samples.map(({ labels, value }) => [labels["code"], value]));
  return { ...codes, runs: shown.value("streamctl_handler_duration_seconds_count") ?? -1 };
}

describe("how invocations ended", () => {
  test("each is counted once, a batch as well", async () => {
    expect(await exitCodesAfter([exit(0)], [exit(3), exit(3)])).toEqual({ 0: 1, 3: 1, runs: 2 });
  });

  test("a batch that answered for some of its entries ended with its process' code", async () => {
    expect(await exitCodesAfter([ok, dead, exit(1)])).toEqual({ 1: 1, runs: 1 });
  });

  test("answers, signals, timeouts and commands that can't be run have words of their own", async () => {
    const killed: Outcome = { kind: "signal", signal: "SIGKILL", code: 137, stderr: NO_BYTES };
    const late: Outcome = { kind: "timeout", afterMs: 1, stderr: NO_BYTES };
    const none: Outcome = { kind: "unstarted", code: 127, message: "" };
    expect(await exitCodesAfter([ok], [dead], [killed], [late], [none], [{ kind: "stopped" }])).toEqual({
      answer: 2,
      KILL: 1,
      timeout: 1,
      127: 1,
      stopped: 1,
      runs: 6,
    });
  });

  test("what was not begun is not counted", async () => {
    expect(await exitCodesAfter([{ kind: "unrun" }], [])).toEqual({ runs: 0 });
  });
});

describe("a group's gauges", () => {
  const row: GroupLag = {
    stream: streamKey("s"),
    group: groupName("g"),
    lag: 7,
    lagAtLeast: null,
    consumers: 2,
    pending: 3,
    oldestPendingMs: 1_500,
    oldestUndeliveredMs: null,
    maxDeliveries: null,
    lastDeliveredId: entryId("1-0"),
  };

  async function gauges(
    rows: readonly GroupLag[] | undefined,
  ): Promise<(name: string) => number | undefined> {
    const metrics = await MetricSet.open(() => true);
    addGroupGauges(metrics, () => rows);
    const shown = new Exposition(await metrics.text());
    return (name) => shown.value(`streamctl_group_${name}`, { stream: "s", group: "g" });
  }

  test("an unknown number is no sample; ages are in seconds", async () => {
    const value = await gauges([row]);
    expect(value("lag_entries")).toBe(7);
    expect(value("lag_at_least_entries")).toBe(7);
    expect(value("oldest_pending_seconds")).toBe(1.5);
    expect(value("oldest_undelivered_seconds")).toBeUndefined();
    expect(value("max_deliveries")).toBeUndefined();
  });

  test("a bound is not shown as the lag", async () => {
    const value = await gauges([{ ...row, lag: null, lagAtLeast: 100 }]);
    expect(value("lag_entries")).toBeUndefined();
    expect(value("lag_at_least_entries")).toBe(100);
  });

  test("a group that has gone takes its samples along", async () => {
    const metrics = await MetricSet.open(() => true);
    let rows: readonly GroupLag[] | undefined = [row];
    addGroupGauges(metrics, () => rows);
    const count = async (): Promise<number> =>
      new Exposition(await metrics.text()).samples("streamctl_group_pending_entries").length;
    expect(await count()).toBe(1);
    rows = [];
    expect(await count()).toBe(0);
    rows = [row];
    expect(await count()).toBe(1);
    rows = undefined;
    expect(await count()).toBe(0);
  });
});
