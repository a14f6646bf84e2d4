import type { Redis } from "ioredis";
import { inject } from "vitest";
import { SandboxServer } from "../../src/sandbox/server.ts";
import { lastingPort } from "./ports.ts";
import { until, withRedis } from "./redis.ts";

const SLOTS = 16_384;

/** A real cluster of primaries on this machine, each with an equal share of the slots. */
export class TestCluster {
  readonly nodes: SandboxServer[];
  readonly args: readonly string[];

  private constructor(nodes: SandboxServer[], args: readonly string[]) {
    this.nodes = nodes;
    this.args = args;
  }

  /** Takes about two seconds; start it in beforeAll and stop it in afterAll. */
  static async start(count = 3, args: readonly string[] = []): Promise<TestCluster> {
    const nodes = await Promise.all(Array.from({ length: count }, () => startNode(args)));
    const cluster = new TestCluster(nodes, args);
    try {
      await cluster.#assemble();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The first node's address; the others are found through it. Use it with `--cluster`. */
  get url(): string {
    return this.node(0).url;
  }

  node(index: number): SandboxServer {
    const node = this.nodes[index];
    if (!node) throw new Error(`the cluster has no node ${index}`);
    return node;
  }

  /** The index of the node that was given `slot` at the start. */
  ownerOf(slot: number): number {
    return Math.min(this.nodes.length - 1, Math.floor(slot / Math.ceil(SLOTS / this.nodes.length)));
  }

  /** Runs `work` with a plain client of one node, and closes it. */
  async on<T>(index: number, work: (redis: Redis) => Promise<T>): Promise<T> {
    return withRedis(this.node(index).url, work);
  }

  /** Moves one slot with its keys to another node. `pause` runs while the slot is half-way (ASK, TRYAGAIN). */
  async moveSlot(slot: number, from: number, to: number, pause?: () => Promise<void>): Promise<void> {
    const [source, target] = [await this.#id(from), await this.#id(to)];
    await this.on(to, (redis) => redis.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source));
    await this.on(from, (redis) => redis.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target));
    await pause?.();
    await this.on(from, async (redis) => {
      const keys = (await redis.call("CLUSTER", "GETKEYSINSLOT", slot, 1_000)) as string[];
      for (const key of keys)
        await redis.call("MIGRATE", "127.0.0.1", this.node(to).port, key, 0, 5_000, "REPLACE");
    });
    for (const index of [to, from])
      await this.on(index, (redis) => redis.call("CLUSTER", "SETSLOT", slot, "NODE", target));
  }

  /** Adds a node without slots, which every other one knows; its index. */
  async join(): Promise<number> {
    const added = this.nodes.push(await startNode(this.args)) - 1;
    await this.on(0, (redis) => redis.call("CLUSTER", "MEET", "127.0.0.1", this.node(added).port));
    await this.#untilWhole();
    return added;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop("SIGKILL")));
  }

  #id(index: number): Promise<string> {
    return this.on(index, async (redis) => String(await redis.call("CLUSTER", "MYID")));
  }

  async #assemble(): Promise<void> {
    const share = Math.ceil(SLOTS / this.nodes.length);
    for (const index of this.nodes.keys()) {
      await this.on(index, async (redis) => {
        const first = index * share;
        const slots = Array.from({ length: Math.min(share, SLOTS - first) }, (_, offset) => first + offset);
        await redis.call("CLUSTER", "ADDSLOTS", ...slots);
        await redis.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      });
    }
    await this.on(0, async (redis) => {
      for (const node of this.nodes.slice(1)) await redis.call("CLUSTER", "MEET", "127.0.0.1", node.port);
    });
    await this.#untilWhole();
  }

  async #untilWhole(): Promise<void> {
    for (const index of this.nodes.keys()) {
      await this.on(index, (redis) =>
        until(`node ${index} sees the whole cluster`, async () => {
          const info = String(await redis.call("CLUSTER", "INFO"));
          return (
            info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${this.nodes.length}`)
          );
        }),
      );
    }
  }
}

/** A port that was free a moment ago another run's server may have taken since. */
async function startNode(args: readonly string[], attempts = 3): Promise<SandboxServer> {
  try {
    return await SandboxServer.start({
      executable: inject("redisExecutable"),
      port: await lastingPort(),
      // No node counts as failed because the machine, or a test, has let it stand still for a while.
      args: ["--cluster-enabled", "yes", "--cluster-node-timeout", "30000", ...args],
    });
  } catch (error) {
    if (attempts <= 1 || !/address already in use/iu.test(String(error))) throw error;
    return startNode(args, attempts - 1);
  }
}
