import { appendFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { keySlot } from "../../src/redis/keys.ts";
import { uniqueKey } from "../support/cli.ts";
import { TestCluster } from "../support/cluster.ts";
import { Proxy } from "../support/proxy.ts";
import { until } from "../support/redis.ts";
import { Load, type LoadReport, type LoadSettings } from "../support/topologies/load.ts";
import { TestSentinel } from "../support/sentinel.ts";
import { scratchDir } from "../support/worker.ts";

/** How far replicas are from their primary, each way: what is on its way when it dies is lost. */
const LINK_MS = 50;
const LOAD_MS = 4_000;
const REPLICATED = ["--wait-replicas", "1"];

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOAD_MS));

/** A proxy to which replicas are sent, and the rule by which clients go round it. */
async function slowLink(rules: string[], port: number): Promise<number> {
  const link = await Proxy.start(`redis://127.0.0.1:${port}`);
  link.delay(LINK_MS);
  rules.push(`127.0.0.1:${link.port}=127.0.0.1:${port}`);
  return link.port;
}

async function loadFor(
  env: Record<string, string>,
  streams: LoadSettings["streams"],
  more: readonly string[],
) {
  const load = await Load.start({
    env: { STREAMCTL_URL: "", ...env },
    more,
    dir: await scratchDir(),
    streams,
  });
  onTestFinished(() => load.abort());
  return load;
}

/** What holds with and without `--wait-replicas`: what a dying primary takes along is in `lost` and its kin. */
function expectSound(report: LoadReport): void {
  expect(report).toMatchObject({ doubled: 0, neverSettled: 0, outOfOrder: 0, trimmedUnread: 0 });
}

function expectNothingLost(report: LoadReport): void {
  expectSound(report);
  expect(report).toMatchObject({
    lost: 0,
    settledTwice: 0,
    outputsLost: 0,
    outputsTwice: 0,
    deadLettersLost: 0,
    deadLettersTwice: 0,
  });
}

/** `STREAMCTL_TOPOLOGY_REPORT` names a file that gets a row of numbers: those in docs/servers.md. */
async function tell(name: string, report: LoadReport, times: object, ends: readonly string[]): Promise<void> {
  const row = JSON.stringify({ name, ...report, ...times });
  console.log(row);
  for (const code of new Set(ends.map((end) => end.split(" ")[0])))
    console.log(
      `  produce ended with ${code}: ${ends.filter((end) => end.startsWith(`${code} `)).length} times`,
    );
  const file = process.env["STREAMCTL_TOPOLOGY_REPORT"];
  if (file) await appendFile(file, `${row}\n`);
}

test.for([
  ["without waiting for replicas", []],
  ["with --wait-replicas 1", REPLICATED],
] as const)("a cluster whose primary dies, and whose slots move, %s", async ([name, more]) => {
  const rules: string[] = [];
  const argsOf = async (port: number): Promise<string[]> => {
    const announced = String(await slowLink(rules, port));
    return ["--cluster-announce-port", announced, "--cluster-announce-bus-port", String(port + 10_000)];
  };
  const cluster = await TestCluster.start(3, ["--cluster-node-timeout", "2000"], { replicas: 1, argsOf });
  onTestFinished(() => cluster.stop());
  const base = uniqueKey("load");
  const on = (node: number, label: string): string => {
    for (let n = 0; ; n++) {
      const key = `${base}:${label}${n}`;
      if (cluster.ownerOf(keySlot(key)) === node) return key;
    }
  };
  // What is worked on and by key is on the node that dies, the output on another.
  const streams = {
    added: on(1, "a"),
    worked: on(1, "w"),
    ordered: on(1, "o"),
    trimmed: on(1, "t"),
    output: on(2, "out"),
  };
  const env = {
    STREAMCTL_URL: cluster.urlOf(0),
    STREAMCTL_CLUSTER: "true",
    STREAMCTL_NAT_MAP: rules.join(","),
  };
  const load = await loadFor(env, streams, more);
  await settle();

  await cluster.kill(1);
  const since = performance.now();
  await until(
    "a replica has taken over",
    async () => ![1, undefined].includes(await cluster.primaryOf(keySlot(streams.worked), 0)),
    60_000,
  );
  // The new primary has no replica before the old one is back.
  await cluster.restart(1);
  const times = await load.goesOn(since);
  await cluster.replicasFollow();
  await settle();

  for (const key of Object.values(streams)) {
    const slot = keySlot(key);
    const from = (await cluster.primaryOf(slot, 0)) as number;
    await cluster.moveSlot(slot, from, 0);
  }
  const moved = await load.goesOn(performance.now());
  await settle();

  // A live primary becomes a replica under readers that wait: all slots in use are on node 0 by now, and 3 follows it.
  await cluster.on(3, (redis) => redis.call("CLUSTER", "FAILOVER"));
  await until(
    "they have changed places",
    async () => (await cluster.primaryOf(keySlot(streams.worked), 2)) === 3,
    60_000,
  );
  const swapped = await load.goesOn(performance.now());
  await settle();

  const report = await load.finish();
  await tell(`cluster ${name}`, report, { ...times, moved, swapped }, load.ends);
  if (more.length > 0) expectNothingLost(report);
  else expectSound(report);
});

test.for([
  ["without waiting for replicas", []],
  ["with --wait-replicas 1", REPLICATED],
] as const)("a master of three Sentinels that dies, %s", async ([name, more]) => {
  const rules: string[] = [];
  const sentinel = await TestSentinel.start({
    sentinels: 3,
    downAfterMs: 1_000,
    through: (url) => slowLink(rules, Number(new URL(url).port)),
  });
  onTestFinished(() => sentinel.stop());
  const base = uniqueKey("load");
  const streams = {
    added: `${base}:a`,
    worked: `${base}:w`,
    ordered: `${base}:o`,
    trimmed: `${base}:t`,
    output: `${base}:out`,
  };
  const env = {
    STREAMCTL_SENTINEL: sentinel.address,
    STREAMCTL_MASTER: "mymaster",
    STREAMCTL_NAT_MAP: rules.join(","),
  };
  const load = await loadFor(env, streams, more);
  await settle();

  await sentinel.killMaster();
  // The new master has no replica before the old one is back.
  const since = performance.now();
  await sentinel.switched();
  await sentinel.restartMaster();
  const times = await load.goesOn(since);
  await settle();

  const report = await load.finish();
  await tell(`Sentinel ${name}`, report, times, load.ends);
  if (more.length > 0) expectNothingLost(report);
  else expectSound(report);
});
