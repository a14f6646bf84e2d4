import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { inject } from "vitest";
import { launchProcess, type ServerProcess } from "../../src/sandbox/process.ts";
import { freePort, SandboxServer } from "../../src/sandbox/server.ts";
import { until, withRedis } from "./redis.ts";

export interface SentinelShape {
  /** How many Sentinels. Default: one. */
  readonly sentinels?: number;
  /** Where the Sentinels find the master. Default: 127.0.0.1. */
  readonly host?: string;
  /** When a silent master counts as dead. Default: never, so that the only failovers are those that are asked for. */
  readonly downAfterMs?: number;
  /** A port that leads to the master's: where replica, Sentinels and clients are told that it is. */
  readonly through?: (url: string) => Promise<number>;
}

/** A master, a replica and Sentinels that watch them as `mymaster`. */
export class TestSentinel {
  readonly master: SandboxServer;
  readonly replica: SandboxServer;
  /** Where the Sentinels listen, as --sentinel takes it. */
  readonly address: string;
  readonly #sentinels: readonly ServerProcess[];
  readonly #folder: string;
  #again: SandboxServer | undefined;

  private constructor(parts: {
    master: SandboxServer;
    replica: SandboxServer;
    sentinels: readonly ServerProcess[];
    ports: readonly number[];
    folder: string;
  }) {
    this.master = parts.master;
    this.replica = parts.replica;
    this.address = parts.ports.map((port) => `127.0.0.1:${port}`).join(",");
    this.#sentinels = parts.sentinels;
    this.#folder = parts.folder;
  }

  /** Takes about two seconds; start it in beforeAll and stop it in afterAll. */
  static async start({
    sentinels: count = 1,
    host = "127.0.0.1",
    downAfterMs = 60_000,
    through,
  }: SentinelShape = {}): Promise<TestSentinel> {
    const executable = inject("redisExecutable");
    const bind = ["--bind", "127.0.0.1", ...(host === "127.0.0.1" ? [] : [host])];
    const master = await SandboxServer.start({ executable, args: bind });
    const known = (await through?.(master.url)) ?? master.port;
    const replica = await SandboxServer.start({
      executable,
      args: ["--replicaof", host, String(known), "--repl-diskless-sync-delay", "0"],
    });
    const folder = await mkdtemp(join(tmpdir(), "streamctl-sentinel-"));
    const sentinels: ServerProcess[] = [];
    const ports: number[] = [];
    for (let n = 0; n < count; n++) {
      const dir = join(folder, String(n));
      await mkdir(dir);
      const config = join(dir, "sentinel.conf");
      const rules = [
        `sentinel monitor mymaster ${host} ${known} ${Math.floor(count / 2) + 1}`,
        `sentinel down-after-milliseconds mymaster ${downAfterMs}`,
        "sentinel failover-timeout mymaster 10000",
      ];
      await writeFile(config, rules.map((rule) => `${rule}\n`).join(""));
      const port = await freePort();
      const args = [config, "--sentinel", "--port", String(port), "--bind", "127.0.0.1", "--dir", dir];
      sentinels.push(launchProcess(executable, { args, temporaryDir: undefined }));
      ports.push(port);
    }
    const all = new TestSentinel({ master, replica, sentinels, ports, folder });
    await all.#withSentinel((redis) =>
      until("Sentinel knows the replica", async () => {
        const replicas = (await redis.call("SENTINEL", "replicas", "mymaster")) as unknown[];
        const others = (await redis.call("SENTINEL", "sentinels", "mymaster")) as unknown[];
        if (others.length < count - 1) return false;
        return replicas.length > 0 && JSON.stringify(replicas).includes('"master-link-status","ok"');
      }),
    );
    return all;
  }

  /** Ends the first master as a crash does. */
  async killMaster(): Promise<void> {
    this.master.signal("SIGKILL");
    await this.master.exited;
  }

  /** Resolves when all Sentinels name the other server. */
  async switched(): Promise<void> {
    for (const address of this.address.split(","))
      await withRedis(`redis://${address}`, (redis) =>
        until(
          "there is a new master",
          async () => (await masterOf(redis)).endsWith(`,${this.replica.port}`),
          60_000,
        ),
      );
  }

  /** Starts the first master anew, empty; Sentinel makes it follow the other. */
  async restartMaster(): Promise<void> {
    await this.master.stop("SIGKILL");
    const executable = inject("redisExecutable");
    this.#again = await SandboxServer.start({ executable, port: this.master.port });
  }

  /** Makes the other server the master; resolves when Sentinel says so. */
  async failOver(): Promise<void> {
    await this.#withSentinel(async (redis) => {
      const before = await masterOf(redis);
      await until("a failover may start", () =>
        redis.call("SENTINEL", "failover", "mymaster").then(
          () => true,
          () => false,
        ),
      );
      await until("there is a new master", async () => (await masterOf(redis)) !== before);
    });
  }

  async stop(): Promise<void> {
    for (const sentinel of this.#sentinels) sentinel.signal("SIGKILL");
    await Promise.all(this.#sentinels.map(({ exited }) => exited));
    const servers = [this.replica, this.master, ...(this.#again ? [this.#again] : [])];
    await Promise.all(servers.map((server) => server.stop("SIGKILL")));
    await rm(this.#folder, { recursive: true, force: true });
  }

  #withSentinel<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    return withRedis(`redis://${this.address.split(",")[0]}`, work);
  }
}

async function masterOf(redis: Redis): Promise<string> {
  return String(await redis.call("SENTINEL", "get-master-addr-by-name", "mymaster"));
}
