import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { inject } from "vitest";
import { SandboxServer, type ServerOptions } from "../../src/sandbox/server.ts";
import { lastingPort } from "./ports.ts";
import { until, withRedis } from "./redis.ts";

const SLOTS = 16_384;

export interface ClusterShape {
  /** Of each primary; they stand behind all primaries in `nodes`, in the same order. Default: none. */
  readonly replicas?: number;
  /** Where the nodes listen. Default: 127.0.0.1. */
  readonly host?: string;
  /** By which tests reach nodes that speak TLS alone. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** More arguments of the node with this port. */
  readonly argsOf?: (port: number) => Promise<readonly string[]>;
}

/** A real cluster on this machine, whose primaries have equal shares of the slots. */
export class TestCluster {
  readonly nodes: SandboxServer[];
  readonly args: readonly string[];
  readonly host: string;
  readonly #starts = new Map<SandboxServer, NodeStart>();
  readonly #primaries: number;
  readonly #tls: ClusterShape["tls"];

  private constructor(
    nodes: readonly (readonly [SandboxServer, NodeStart])[],
    args: readonly string[],
    shape: ClusterShape,
    primaries: number,
  ) {
    this.nodes = nodes.map(([node]) => node);
    for (const [node, start] of nodes) this.#starts.set(node, start);
    this.args = args;
    this.host = shape.host ?? LOOPBACK;
    this.#primaries = primaries;
    this.#tls = shape.tls;
  }

  /** Takes about two seconds; start it in beforeAll and stop it in afterAll. */
  static async start(
    count = 3,
    args: readonly string[] = [],
    shape: ClusterShape = {},
  ): Promise<TestCluster> {
    const all = count * (1 + (shape.replicas ?? 0));
    const nodes = await Promise.all(Array.from({ length: all }, () => startNode(args, shape)));
    const cluster = new TestCluster(nodes, args, shape, count);
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
    return this.urlOf(0);
  }

  urlOf(index: number): string {
    const host = this.host.includes(":") ? `[${this.host}]` : this.host;
    return `${this.#tls ? "rediss" : "redis"}://${host}:${this.node(index).port}`;
  }

  node(index: number): SandboxServer {
    const node = this.nodes[index];
    if (!node) throw new Error(`the cluster has no node ${index}`);
    return node;
  }

  /** The index of the node that was given `slot` at the start. */
  ownerOf(slot: number): number {
    return Math.min(this.#primaries - 1, Math.floor(slot / Math.ceil(SLOTS / this.#primaries)));
  }

  /** The index of the node that `witness`, which must be alive, takes for the primary of a slot now. */
  async primaryOf(slot: number, witness: number): Promise<number | undefined> {
    const text = await this.on(witness, async (redis) => String(await redis.call("CLUSTER", "NODES")));
    for (const line of text.split("\n")) {
      const [, address = "", flags = "", , , , , , ...ranges] = line.split(" ");
      if (!flags.includes("master") || flags.includes("fail")) continue;
      const port = Number(/:(\d+)(@|$)/.exec(address)?.[1]);
      const has = ranges.some((range) => {
        const [first, last = first] = range.split("-").map(Number);
        return first !== undefined && last !== undefined && first <= slot && slot <= last;
      });
      if (has)
        return this.nodes.findIndex(
          (node) => node.port === port || this.#starts.get(node)?.announced === port,
        );
    }
    return undefined;
  }

  /** Ends a node as a crash does: what it has stays in its folder, for `restart`. */
  async kill(index: number): Promise<void> {
    this.node(index).signal("SIGKILL");
    await this.node(index).exited;
  }

  /** Starts a node that was killed: it finds its place in the cluster by itself. */
  async restart(index: number): Promise<void> {
    const start = this.#starts.get(this.node(index));
    if (!start) throw new Error(`node ${index} was never started`);
    const node = await SandboxServer.start(start.options);
    this.nodes[index] = node;
    this.#starts.set(node, start);
  }

  /** Resolves when every primary has its replicas again, which follow it. */
  async replicasFollow(): Promise<void> {
    for (const index of this.nodes.keys()) {
      await this.on(index, (redis) =>
        until(
          `node ${index} is in its place`,
          async () => {
            const facts = await redis.info("replication");
            return /role:master/.test(facts)
              ? /state=online/.test(facts)
              : /master_link_status:up/.test(facts);
          },
          60_000,
        ),
      );
    }
  }

  /** Runs `work` with a plain client of one node, and closes it. */
  async on<T>(index: number, work: (redis: Redis) => Promise<T>): Promise<T> {
    return withRedis(this.urlOf(index), work, this.#tls ? { tls: this.#tls } : {});
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
        await redis.call("MIGRATE", this.host, this.node(to).port, key, 0, 5_000, "REPLACE");
    });
    for (const index of [to, from])
      await this.on(index, (redis) => redis.call("CLUSTER", "SETSLOT", slot, "NODE", target));
  }

  /** Adds a node without slots, which every other one knows; its index. */
  async join(): Promise<number> {
    const [node, start] = await startNode(this.args, { host: this.host });
    this.#starts.set(node, start);
    const added = this.nodes.push(node) - 1;
    await this.on(0, (redis) => redis.call("CLUSTER", "MEET", this.host, this.node(added).port));
    await this.#untilWhole();
    return added;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop("SIGKILL")));
    const dirs = [...this.#starts.values()].map(({ options }) => options.dir);
    await Promise.all(dirs.map((dir) => rm(dir, { recursive: true, force: true })));
  }

  #id(index: number): Promise<string> {
    return this.on(index, async (redis) => String(await redis.call("CLUSTER", "MYID")));
  }

  async #assemble(): Promise<void> {
    const share = Math.ceil(SLOTS / this.#primaries);
    for (let index = 0; index < this.#primaries; index++) {
      await this.on(index, async (redis) => {
        const first = index * share;
        const slots = Array.from({ length: Math.min(share, SLOTS - first) }, (_, offset) => first + offset);
        await redis.call("CLUSTER", "ADDSLOTS", ...slots);
        await redis.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      });
    }
    await this.on(0, async (redis) => {
      for (const node of this.nodes.slice(1)) await redis.call("CLUSTER", "MEET", this.host, node.port);
    });
    await this.#untilWhole();
    if (this.nodes.length === this.#primaries) return;
    for (let index = this.#primaries; index < this.nodes.length; index++) {
      const primary = await this.#id(index % this.#primaries);
      await this.on(index, (redis) =>
        until("it knows its primary", () =>
          redis.call("CLUSTER", "REPLICATE", primary).then(
            () => true,
            () => false,
          ),
        ),
      );
    }
    await this.replicasFollow();
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

interface NodeStart {
  readonly options: ServerOptions & { readonly dir: string };
  /** The port that it tells others, where that is another. */
  readonly announced: number | undefined;
}

const CLUSTER_ARGS = [
  // No node counts as failed because the machine, or a test, has let it stand still for a while.
  ["--cluster-enabled", "yes", "--cluster-node-timeout", "30000"],
  ["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"],
].flat();

const LOOPBACK = "127.0.0.1";

/** A port that was free a moment ago another run's server may have taken since. */
async function startNode(
  args: readonly string[],
  shape: ClusterShape,
  attempts = 3,
): Promise<readonly [SandboxServer, NodeStart]> {
  const { host = LOOPBACK, argsOf } = shape;
  const port = await lastingPort();
  const dir = await mkdtemp(join(tmpdir(), "streamctl-node-"));
  const own = (await argsOf?.(port)) ?? [];
  const at = own.indexOf("--cluster-announce-port");
  const executable = inject("redisExecutable");
  const options = { executable, port, dir, args: [...CLUSTER_ARGS, "--bind", host, ...args, ...own] };
  const announced = at < 0 ? undefined : Number(own[at + 1]);
  try {
    return [await SandboxServer.start(options), { options, announced }];
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    if (attempts <= 1 || !/address already in use/iu.test(String(error))) throw error;
    return startNode(args, shape, attempts - 1);
  }
}
