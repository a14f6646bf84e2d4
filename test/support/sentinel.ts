import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { inject } from "vitest";
import { launchProcess, type ServerProcess } from "../../src/sandbox/process.ts";
import { freePort, SandboxServer } from "../../src/sandbox/server.ts";
import { until } from "./redis.ts";

/** A master, a replica and one Sentinel that watches them as `mymaster`. */
export class TestSentinel {
  readonly master: SandboxServer;
  readonly replica: SandboxServer;
  /** Where the Sentinel listens, as --sentinel takes it. */
  readonly address: string;
  readonly #sentinel: ServerProcess;
  readonly #folder: string;

  private constructor(parts: {
    master: SandboxServer;
    replica: SandboxServer;
    sentinel: ServerProcess;
    port: number;
    folder: string;
  }) {
    this.master = parts.master;
    this.replica = parts.replica;
    this.address = `127.0.0.1:${parts.port}`;
    this.#sentinel = parts.sentinel;
    this.#folder = parts.folder;
  }

  /** Takes about two seconds; start it in beforeAll and stop it in afterAll. */
  static async start(): Promise<TestSentinel> {
    const executable = inject("redisExecutable");
    const master = await SandboxServer.start({ executable });
    const replica = await SandboxServer.start({
      executable,
      args: ["--replicaof", "127.0.0.1", String(master.port), "--repl-diskless-sync-delay", "0"],
    });
    const folder = await mkdtemp(join(tmpdir(), "streamctl-sentinel-"));
    const config = join(folder, "sentinel.conf");
    await writeFile(
      config,
      [
        `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
        // No failover but the ones that are asked for, also where the machine stands still for a while.
        "sentinel down-after-milliseconds mymaster 60000",
        "sentinel failover-timeout mymaster 10000",
        "",
      ].join("\n"),
    );
    const port = await freePort();
    const args = [config, "--sentinel", "--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
    const sentinel = launchProcess(executable, { args, temporaryDir: undefined });
    const all = new TestSentinel({ master, replica, sentinel, port, folder });
    await all.#withSentinel((redis) =>
      until("Sentinel knows the replica", async () => {
        const replicas = (await redis.call("SENTINEL", "replicas", "mymaster")) as unknown[];
        return replicas.length > 0 && JSON.stringify(replicas).includes('"master-link-status","ok"');
      }),
    );
    return all;
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
    this.#sentinel.signal("SIGKILL");
    await this.#sentinel.exited;
    await Promise.all([this.replica, this.master].map((server) => server.stop("SIGKILL")));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #withSentinel<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(`redis://${this.address}`);
    redis.on("error", () => {});
    try {
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  }
}

async function masterOf(redis: Redis): Promise<string> {
  return String(await redis.call("SENTINEL", "get-master-addr-by-name", "mymaster"));
}
