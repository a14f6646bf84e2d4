import { constants, existsSync, openSync, readlinkSync, rmSync } from "node:fs";
import { scratchName } from "../../lib/scratch-file.ts";
import { Shortage } from "./outcome.ts";
import { Pipe } from "./pipes.ts";
import { type Ended, exitOf, startProcess } from "./process.ts";

export interface PipePoolSettings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where pipes have names for a moment, the best first: in memory where the system has such a folder. */
  readonly scratchDirs: readonly string[];
  readonly pid: number;
}

/** So many are made by one process. */
const AT_ONCE = 8;
const MAX_IDLE = 32;

/**
 * Takes the names away again, also when the worker was killed before it could say that it has opened them,
 * and when no process can be started any more.
 */
const SCRIPT = 'mkfifo -m 600 -- "$@" && echo && read -r _; exec rm -f -- "$@"';
/** How it ends when mkfifo was not there, or could not do it; a shell that can't start it ends otherwise. */
const REFUSED = 0;
const NOT_FOUND = 127;

/**
 * Makes pipes for handlers, which Node itself can't, and keeps those that are clean for the next run.
 * Needs /proc, by which all open a pipe that has no name any more.
 */
export class PipePool {
  readonly #settings: PipePoolSettings;
  #idle: Pipe[] = [];
  #making: Promise<void> | undefined;
  #able: boolean;
  #worked = false;
  #closed = false;

  constructor(settings: PipePoolSettings) {
    this.#settings = settings;
    this.#able = seesItself(settings.pid);
  }

  /** Undefined where this system has no such pipes. Rejects for want of descriptors, processes or memory. */
  async take(count: number): Promise<Pipe[] | undefined> {
    while (this.#able && this.#idle.length < count) await (this.#making ??= this.#make());
    return this.#able ? this.#idle.splice(-count) : undefined;
  }

  /** Takes back pipes that are empty and that no process can write to. */
  give(pipes: readonly Pipe[]): void {
    for (const pipe of pipes) {
      if (this.#closed || this.#idle.length >= MAX_IDLE) pipe.close();
      else this.#idle.push(pipe);
    }
  }

  /** Gives up what waits for further runs; true when that was anything. */
  shrink(): boolean {
    const idle = this.#idle.splice(0);
    for (const pipe of idle) pipe.close();
    return idle.length > 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#making?.catch(() => {});
    this.shrink();
  }

  async #make(): Promise<void> {
    try {
      this.#able = await this.#makeSome();
    } finally {
      this.#making = undefined;
    }
  }

  /** False when there is no shell, no mkfifo, or no folder for it. */
  async #makeSome(): Promise<boolean> {
    for (const dir of this.#settings.scratchDirs) {
      const failure = await this.#makeIn(dir);
      if (!failure) return true;
      const { code, signal, error } = failure;
      const cause = (error as NodeJS.ErrnoException | undefined)?.code;
      if (error !== undefined && cause !== "ENOENT" && cause !== "EACCES") throw error;
      if (error === undefined && code !== REFUSED && code !== NOT_FOUND)
        throw new Shortage(`mkfifo could not be started: ${signal ?? `exit ${code}`}`);
    }
    // What has worked before fails for want of something that will be there again.
    if (this.#worked) throw new Shortage("mkfifo failed");
    return false;
  }

  /** Undefined when it made some, else how its process ended. */
  async #makeIn(dir: string): Promise<Ended | undefined> {
    const { env, pid } = this.#settings;
    const names = Array.from({ length: AT_ONCE }, () => scratchName(dir));
    const child = startProcess("/bin/sh", ["-c", SCRIPT, "sh", ...names], {
      cwd: "/",
      env,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const ended = exitOf(child);
    child.stdin?.on("error", () => {});
    const ready = new Promise<void>((resolve) => {
      child.stdout?.once("data", () => resolve());
      void ended.then(() => resolve());
    });
    const opened: Pipe[] = [];
    try {
      await ready;
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        this.#worked = true;
        for (const name of names) {
          const fd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
          opened.push(new Pipe(fd, `/proc/${pid}/fd/${fd}`));
        }
      }
    } finally {
      // What could be opened is of use, and closed with the rest.
      this.#idle.push(...opened);
      child.stdin?.end();
      child.stdout?.destroy();
    }
    const end = await ended;
    // Killed, it has taken no names away.
    if (end.signal !== null) for (const name of names) rmSync(name, { force: true });
    return opened.length > 0 ? undefined : end;
  }
}

/** Whether /proc shows this process under its own number: it may be that of another namespace, or none. */
function seesItself(pid: number): boolean {
  try {
    return readlinkSync("/proc/self") === String(pid) && existsSync(`/proc/${pid}/fd`);
  } catch {
    return false;
  }
}
