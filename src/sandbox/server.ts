import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StreamctlError } from "../errors.ts";
import { sleep, startTimer } from "../lib/timer.ts";
import { CONTAINER_PREFIX, ENGINE_PREFIX } from "./find-server.ts";
import { type Launch, launchProcess, type ServerProcess } from "./process.ts";

export interface ServerOptions {
  /** What findServer() gives: an executable's path, or what stands for a container. */
  readonly executable: string;
  /** Further server options, as on its command line: `--maxmemory 3mb`. */
  readonly args?: readonly string[];
  readonly port?: number;
  /** Keep this folder's data between starts; default: a new temporary folder that goes with the server. */
  readonly dir?: string;
  /** Gives up fetching an image. */
  readonly signal?: AbortSignal;
}

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

/** A private Redis: own port, own folder, nothing persisted unless asked for, gone after stop(). */
export class SandboxServer {
  readonly port: number;
  readonly url: string;
  readonly #process: ServerProcess;
  readonly #temporaryDir: string | undefined;

  private constructor(process: ServerProcess, port: number, temporaryDir: string | undefined) {
    this.#process = process;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#temporaryDir = temporaryDir;
  }

  /** Resolves once it accepts connections; fails with the server's own words when it does not get there. */
  static async start(options: ServerOptions): Promise<SandboxServer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await SandboxServer.#startOnce(options);
      } catch (error) {
        // Between finding a free port and the server's bind, somebody else may have taken it.
        const lostPort = error instanceof StreamctlError && /address already in use/i.test(error.message);
        if (options.port !== undefined || !lostPort || attempt === 3) throw error;
      }
    }
  }

  static async #startOnce(options: ServerOptions): Promise<SandboxServer> {
    const port = options.port ?? (await freePort());
    const temporaryDir =
      options.dir === undefined ? await mkdtemp(join(tmpdir(), "streamctl-redis-")) : undefined;
    const settings = {
      port: String(port),
      bind: "127.0.0.1",
      dir: options.dir ?? temporaryDir ?? tmpdir(),
      save: "",
      appendonly: "no",
      daemonize: "no",
    };
    const args = [
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      ...(options.args ?? []),
    ];
    try {
      const process = await launch(options.executable, { args, temporaryDir, signal: options.signal });
      const server = new SandboxServer(process, port, temporaryDir);
      if (await isReady(process)) return server;
      await server.stop();
      const said = process.log().trim().split("\n").slice(-3).join(" / ");
      throw new StreamctlError("failed", `${options.executable} did not start: ${said}`);
    } catch (error) {
      if (temporaryDir !== undefined) await rm(temporaryDir, { recursive: true, force: true });
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Resolves when the server has ended, by stop() or by itself. */
  get exited(): Promise<void> {
    return this.#process.exited;
  }

  /** Sends a signal without waiting. */
  signal(signal: NodeJS.Signals): void {
    this.#process.signal(signal);
  }

  /** Ends the server and removes its folder. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const process = this.#process;
    if (process.running) {
      process.signal(signal);
      // A server that a test has stopped with SIGSTOP hears nothing else before this.
      process.signal("SIGCONT");
      const timer = startTimer(STOP_TIMEOUT_MS, () => process.signal("SIGKILL"));
      await process.exited;
      timer.stop();
    }
    if (this.#temporaryDir !== undefined) await rm(this.#temporaryDir, { recursive: true, force: true });
  }
}

async function launch(executable: string, options: Launch): Promise<ServerProcess> {
  if (executable.startsWith(CONTAINER_PREFIX)) {
    const { launchContainer } = await import("./container.ts");
    return launchContainer(executable, options);
  }
  if (executable.startsWith(ENGINE_PREFIX)) {
    const { launchByEngine } = await import("./engine.ts");
    return launchByEngine(executable, options);
  }
  return launchProcess(executable, options);
}

async function isReady(process: ServerProcess): Promise<boolean> {
  for (const start = performance.now(); performance.now() - start < START_TIMEOUT_MS; await sleep(20)) {
    if (/Ready to accept connections/i.test(process.log())) return true;
    if (!process.running) return false;
  }
  return false;
}

/** A TCP port of the loopback interface that nobody listens on now. */
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
