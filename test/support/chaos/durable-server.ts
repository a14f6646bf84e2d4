import { Redis } from "ioredis";
import { inject, onTestFinished } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { lastingPort } from "../ports.ts";
import { scratchDir } from "../worker.ts";
import { pause } from "./seat.ts";

/** A server that loses nothing when it is killed: what it answered stands on disk. */
export class DurableServer {
  readonly #start: () => Promise<SandboxServer>;
  readonly redis: Redis;
  readonly url: string;
  #server: SandboxServer;
  /** Whatever takes it away, one after the other. */
  #away: Promise<void> = Promise.resolve();

  private constructor(start: () => Promise<SandboxServer>, server: SandboxServer) {
    this.#start = start;
    this.#server = server;
    this.url = server.url;
    // Patient: whoever looks at the server behind the workers' backs waits until it is there.
    this.redis = new Redis(server.url, {
      maxRetriesPerRequest: null,
      retryStrategy: () => 50,
      // A node of a cluster answers so for some seconds after its start: connected again, the command is sent again.
      reconnectOnError: (error) => (error.message.startsWith("CLUSTERDOWN") ? 2 : false),
    });
    this.redis.on("error", () => {});
  }

  /** Ends with the test. `cluster`: one of a single node, which has all slots. */
  static async start({ cluster = false } = {}): Promise<DurableServer> {
    const dir = await scratchDir();
    const port = await lastingPort();
    const args = ["--appendonly", "yes", "--appendfsync", "always"];
    if (cluster) args.push("--cluster-enabled", "yes");
    const start = (): Promise<SandboxServer> =>
      SandboxServer.start({ executable: inject("redisExecutable"), dir, port, args });
    const durable = new DurableServer(start, await start());
    onTestFinished(async () => {
      durable.redis.disconnect();
      await durable.#away;
      await durable.#server.stop("SIGKILL");
    });
    if (cluster) await durable.#takeAllSlots();
    return durable;
  }

  async #takeAllSlots(): Promise<void> {
    await this.redis.call("CLUSTER", "ADDSLOTS", ...Array.from({ length: 16_384 }, (_, slot) => slot));
    while (!String(await this.redis.call("CLUSTER", "INFO")).includes("cluster_state:ok")) await pause(50);
  }

  /** kill -9, and back with its data after a while. One such fault at a time: a second waits for the first. */
  async killFor(ms: number): Promise<void> {
    await this.#inTurn(() => this.#kill(ms));
  }

  async freeze(ms: number): Promise<void> {
    await this.#inTurn(async () => {
      this.#server.signal("SIGSTOP");
      await pause(ms);
      this.#server.signal("SIGCONT");
    });
  }

  async command(name: string, ...args: string[]): Promise<void> {
    await this.#away;
    await this.redis.call(name, ...args);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#away.then(work);
    this.#away = done.catch(() => {});
    return done;
  }

  async #kill(ms: number): Promise<void> {
    await this.#server.stop("SIGKILL");
    await pause(ms);
    this.#server = await this.#start();
  }
}
