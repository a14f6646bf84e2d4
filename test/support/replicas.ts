import { inject, onTestFinished } from "vitest";
import { SandboxServer } from "../../src/sandbox/server.ts";
import { lastingPort } from "./ports.ts";
import { Proxy } from "./proxy.ts";
import { until, withRedis } from "./redis.ts";

/** A primary and replicas that follow it, as real processes. */
export class TestReplicas {
  readonly primary: SandboxServer;
  readonly replicas: readonly SandboxServer[];

  private constructor(primary: SandboxServer, replicas: readonly SandboxServer[]) {
    this.primary = primary;
    this.replicas = replicas;
  }

  /** One replica with a link to its primary that can be held up; both go with the test. */
  static async behindLink(): Promise<{ servers: TestReplicas; link: Proxy }> {
    const links: Proxy[] = [];
    const servers = await TestReplicas.start(1, async (url) => {
      const link = await Proxy.start(url);
      links.push(link);
      return link.port;
    });
    onTestFinished(() => servers.stop());
    return { servers, link: links[0] as Proxy };
  }

  /** `through`: where replicas find the primary, a proxy in front of it. */
  static async start(
    count = 1,
    through: (url: string) => Promise<number> = async (url) => Number(new URL(url).port),
  ): Promise<TestReplicas> {
    const executable = inject("redisExecutable");
    const primary = await SandboxServer.start({
      executable,
      port: await lastingPort(),
      args: ["--repl-diskless-sync-delay", "0", "--repl-diskless-sync", "yes"],
    });
    const port = String(await through(primary.url));
    const starting = Array.from({ length: count }, () =>
      SandboxServer.start({ executable, args: ["--replicaof", "127.0.0.1", port] }),
    );
    const all = new TestReplicas(primary, await Promise.all(starting));
    await all.inSync();
    return all;
  }

  get url(): string {
    return this.primary.url;
  }

  replica(index: number): SandboxServer {
    const replica = this.replicas[index];
    if (!replica) throw new Error(`there is no replica ${index}`);
    return replica;
  }

  /** Resolves when so many of them confirm what is written: some time after the primary says that they are online. */
  inSync(count = this.replicas.length): Promise<unknown> {
    return withRedis(this.url, (redis) =>
      until("the replicas follow", async () => {
        await redis.del("in-sync");
        await redis.set("in-sync", "1");
        await redis.del("in-sync");
        return (await redis.wait(this.replicas.length, 50)) === count;
      }),
    );
  }

  /** Makes a replica a primary by hand. */
  promote(index: number): Promise<unknown> {
    return withRedis(this.replica(index).url, (redis) => redis.replicaof("NO", "ONE"));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.replicas, this.primary].map((server) => server.stop("SIGKILL")));
  }
}
