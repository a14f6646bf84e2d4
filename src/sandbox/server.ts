import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StreamctlError } from "../errors.ts";
import { sleep } from "../redis/backoff.ts";

export interface ServerOptions {
  readonly executable: string;
  /** Further server options, as on its command line: `--maxmemory 3mb`. */
  readonly args?: readonly string[];
  readonly port?: number;
  /** Keep this folder's data between starts; default: a new temporary folder that goes with the server. */
  readonly dir?: string;
}

/** A private Redis: own port, own folder, nothing persisted unless asked for, gone after stop(). */
export class SandboxServer {
  readonly port: number;
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #dir: string | undefined;
  readonly #exited: Promise<void>;

  private constructor(child: ChildProcess, port: number, dir: string | undefined) {
    this.#child = child;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#dir = dir;
    this.#exited = new Promise((resolve) => child.once("exit", () => resolve()));
  }

  static async start(options: ServerOptions): Promise<SandboxServer> {
    const port = options.port ?? (await freePort());
    const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "streamctl-redis-")));
    const args = [
      "--port",
      String(port),
      "--bind",
      "127.0.0.1",
      "--dir",
      dir,
      "--save",
      "",
      "--appendonly",
      "no",
      "--daemonize",
      "no",
    ];
    const child = spawn(options.executable, [...args, ...(options.args ?? [])], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    const keep = (chunk: Buffer): void => {
      log = (log + chunk.toString("utf8")).slice(-4_096);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    const server = new SandboxServer(child, port, options.dir === undefined ? dir : undefined);
    let failed: string | undefined;
    child.once("error", (error) => (failed = error.message));
    for (const start = Date.now(); Date.now() - start < 20_000; await sleep(20)) {
      if (/Ready to accept connections/i.test(log)) return server;
      if (failed !== undefined || child.exitCode !== null || child.signalCode !== null) break;
    }
    await server.stop();
    throw new StreamctlError(
      "failed",
      `${options.executable} did not start: ${failed ?? log.trim().split("\n").slice(-3).join(" / ")}`,
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a signal without waiting. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the server and removes its folder. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined) {
      this.#child.kill(signal);
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
      await this.#exited;
      clearTimeout(timer);
    }
    if (this.#dir !== undefined) await rm(this.#dir, { recursive: true, force: true });
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
