import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { partitionOf } from "../../../src/engine/produce/partitions.ts";
import { cli, CliRun, ndjson, openStdin, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { until } from "../../support/redis.ts";
import { scratchDir } from "../../support/worker.ts";

/** What docs/scaling.md says of more partitions, done while producers and workers run. */

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start();
});
afterAll(() => cluster.stop());

const ON_CLUSTER = ["--cluster"];
const GROUP = "billing";

/** Produces entries of its own customers, one after the other, until it is ended; then it can begin with another layout. */
class Producer {
  readonly #customers: readonly string[];
  readonly #sent = new Map<string, number>();
  #stdin: PassThrough | undefined;
  #run: CliRun | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(customers: readonly string[]) {
    this.#customers = customers;
  }

  get sent(): ReadonlyMap<string, number> {
    return this.#sent;
  }

  begin(stream: string, partitions: number): void {
    const stdin = openStdin();
    const split = ["--partitions", String(partitions), "--partition-by", "customer"];
    this.#stdin = stdin;
    this.#run = new CliRun(["produce", stream, ...split, ...ON_CLUSTER], { stdin, url: cluster.url });
    this.#timer = setInterval(() => {
      for (const customer of this.#customers) {
        const n = (this.#sent.get(customer) ?? 0) + 1;
        this.#sent.set(customer, n);
        stdin.write(`${JSON.stringify({ customer, n: String(n) })}\n`);
      }
    }, 100);
  }

  /** What has been written is in Redis; exit 0. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#stdin?.end();
    const result = await this.#run?.done;
    expect(result?.code, result?.stderr).toBe(0);
  }
}

const customersOf = (name: string): string[] => Array.from({ length: 6 }, (_, at) => `${name}${at}`);

const partitionsOf = (stream: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${stream}:${at}`);

describe("from 4 to 8 partitions, while producers and workers with --order-by run", () => {
  test("no entry is lost, none is run twice, and each customer's run in order", async () => {
    const dir = await scratchDir();
    const [old, fresh] = [uniqueKey(), uniqueKey("orders8")];
    const [four, eight] = [partitionsOf(old, 4), partitionsOf(fresh, 8)];
    const producers = [new Producer(customersOf("a")), new Producer(customersOf("b"))];
    onTestFinished(() => Promise.all(producers.map((one) => one.end())).then(() => {}));
    await createGroups(four);
    producers.forEach((one) => one.begin(old, 4));
    // A backlog in the old layout, which would be overtaken: its handlers wait behind the gate.
    const before = await work(four, dir, "gate");
    await until("the old layout is behind", async () => (await lagOf(four)) > 20);

    await createGroups(eight);
    for (const one of producers) {
      await one.end();
      one.begin(fresh, 8);
    }
    await until("the new layout has entries", async () => (await lagOf(eight)) > 20);
    expect(await lagOf(four)).toBeGreaterThan(0);
    await writeFile(join(dir, "gate"), "");
    expect(await run(["lag", ...four, "-g", GROUP, "--wait"])).toMatchObject({ code: 0 });
    const drained = (await ranIn(dir)).get("a0")?.length ?? 0;
    await stop(before);
    const after = await work(eight, dir);

    await until(
      "the new layout is worked on",
      async () => ((await ranIn(dir)).get("a0")?.length ?? 0) > drained,
    );
    await Promise.all(producers.map((one) => one.end()));
    expect(await run(["lag", ...eight, "-g", GROUP, "--wait"])).toMatchObject({ code: 0 });
    await stop(after);

    const ran = await ranIn(dir);
    const expected = new Map(producers.flatMap((one) => [...one.sent]).map(([name, n]) => [name, upTo(n)]));
    expect(ran).toEqual(expected);
    // Some have changed their partition: it is their order that was at stake.
    const moved = [...expected.keys()].filter(
      (name) => partitionOf(Buffer.from(name), 4) !== partitionOf(Buffer.from(name), 8),
    );
    expect(moved.length).toBeGreaterThan(2);
  }, 120_000);
});

async function createGroups(keys: readonly string[]): Promise<void> {
  const result = await run(["group", "create", ...keys, GROUP, "--mkstream"]);
  expect(result.code, result.stderr).toBe(0);
}

function run(argv: readonly string[]): ReturnType<typeof cli> {
  return cli([...argv, ...ON_CLUSTER], { url: cluster.url });
}

/** Two workers that write down which entry of which customer they ran. `gate`: the file that their handlers wait for. */
async function work(keys: readonly string[], dir: string, gate?: string): Promise<readonly CliRun[]> {
  const wait = gate === undefined ? "" : `until [ -e '${join(dir, gate)}' ]; do sleep 0.1; done; `;
  const handler = `${wait}while read -r line; do echo "$line" >>'${join(dir, "ran")}'; echo ok; done`;
  const argv = ["consume", ...keys, "-g", GROUP, "-j", "2", "--order-by", "customer", "--persistent"];
  await appendFile(join(dir, "ran"), "");
  const workers = [1, 2].map(
    () => new CliRun([...argv, ...ON_CLUSTER, "--exec", handler], { url: cluster.url }),
  );
  onTestFinished(() => stop(workers));
  return workers;
}

async function stop(workers: readonly CliRun[]): Promise<void> {
  for (const worker of workers) worker.signal("SIGTERM");
  for (const worker of workers) expect((await worker.done).code).toBe(0);
}

async function lagOf(keys: readonly string[]): Promise<number> {
  const { stdout } = await run(["lag", ...keys, "-g", GROUP]);
  return ndjson(stdout).reduce((sum, { lag, pending }) => sum + Number(lag) + Number(pending), 0);
}

/** The numbers of each customer's entries, in the order in which they were run. */
async function ranIn(dir: string): Promise<Map<string, number[]>> {
  const ran = new Map<string, number[]>();
  for (const { fields } of ndjson(await readFile(join(dir, "ran"), "utf8"))) {
    const { customer, n } = fields as { readonly customer: string; readonly n: string };
    ran.set(customer, [...(ran.get(customer) ?? []), Number(n)]);
  }
  return ran;
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, at) => at + 1);
}
