import { expect, onTestFinished, test } from "vitest";
import { keySlot } from "../../../src/redis/keys.ts";
import { cli, ndjson, uniqueKey } from "../../support/cli.ts";
import { TestCluster } from "../../support/cluster.ts";
import { Proxy } from "../../support/proxy.ts";
import { until } from "../../support/redis.ts";
import { startWorker } from "../../support/worker.ts";

const ONE = ["--wait-replicas", "1"];
const ENTRIES = 80;

test(
  "in a cluster, what counted before a primary died stands where its replica took over, output and dead letters too",
  { timeout: 120_000 },
  async () => {
    const links = new Map<number, Proxy>();
    const rules: string[] = [];
    const cluster = await TestCluster.start(3, [], {
      replicas: 1,
      // Replicas are told of a link, clients go round it.
      argsOf: async (port) => {
        const link = await Proxy.start(`redis://127.0.0.1:${port}`);
        links.set(port, link);
        rules.push(`127.0.0.1:${link.port}=127.0.0.1:${port}`);
        const bus = String(port + 10_000);
        return ["--cluster-announce-port", String(link.port), "--cluster-announce-bus-port", bus];
      },
    });
    onTestFinished(() => cluster.stop());
    const on = (node: number): string => {
      for (;;) {
        const key = uniqueKey();
        if (cluster.ownerOf(keySlot(key)) === node) return key;
      }
    };
    const [stream, output] = [on(1), on(2)];
    const env = {
      STREAMCTL_URL: cluster.urlOf(0),
      STREAMCTL_CLUSTER: "true",
      STREAMCTL_NAT_MAP: rules.join(","),
    };
    const stdin = Array.from({ length: ENTRIES }, (_, n) => `{"n":"${n}"}\n`).join("");
    const added = await cli(["produce", stream, "--ids", ...ONE], { env, stdin });
    const ids = added.stdout.trim().split("\n");
    expect(ids).toHaveLength(ENTRIES);

    const handler = `read -r line; case "$line" in *'3"}'*) exit 65;; esac; echo "$STREAMCTL_ID"`;
    const more = [...ONE, "--emit", output, "-v", "-j", "4"];
    const worker = startWorker(stream, handler, more, { env });
    const told = (what: RegExp): string[] => [...worker.stderr.matchAll(what)].map(([, id]) => id as string);
    const done = (): string[] => told(/ (\d+-\d+) done in /g);
    const dead = (): string[] => told(/ (\d+-\d+) dead-lettered /g);
    await until("some have counted", () => done().length > 10 && dead().length > 0);
    const { port } = cluster.node(1);
    links.get(port)?.hold();
    await cluster.kill(1);
    links.get(port)?.release();
    await until("the replica takes over", () =>
      cluster.on(4, (redis) =>
        redis.call("CLUSTER", "FAILOVER", "TAKEOVER").then(
          () => true,
          () => false,
        ),
      ),
    );
    await until("node 0 knows", async () => (await cluster.primaryOf(keySlot(stream), 0)) === 4, 30_000);
    await cluster.restart(1);
    await until("all have counted", () => done().length + dead().length >= ENTRIES, 60_000);
    worker.signal("SIGTERM");
    expect((await worker.done).code).toBe(0);

    expect([...done(), ...dead()].sort()).toEqual([...ids].sort());
    const outputs = ndjson((await cli(["consume", output], { env })).stdout);
    expect(outputs.map(({ fields }) => (fields as { payload: string }).payload).sort()).toEqual(
      done().sort(),
    );
    const letters = ndjson((await cli(["dlq", "list", stream], { env })).stdout);
    expect(letters.map(({ originalId }) => String(originalId)).sort()).toEqual(dead().sort());
    const rows = ndjson((await cli(["lag", stream], { env })).stdout);
    expect(rows).toMatchObject([{ lag: 0, pending: 0 }]);
  },
);
