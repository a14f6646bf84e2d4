import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { markedEnv } from "./processes.ts";

/** How to get a mount namespace, and the way into that of a process: root's, and the one of user namespaces. */
const NAMESPACES = [
  { flag: "-m", enter: (ns: string) => [`--mount=${ns}/mnt`] },
  {
    flag: "-rm",
    enter: (ns: string) => [`--user=${ns}/user`, `--mount=${ns}/mnt`, "--preserve-credentials"],
  },
] as const;
const NEEDS = "needs unshare and nsenter, and root or user namespaces";
const HOLD = 'mount -t tmpfs -o "$1" none "$2" && echo ready && read -r _';
/** The last of the room takes smaller ones. */
const PIECES = [Buffer.alloc(65_536), Buffer.alloc(4_096)];

/**
 * A small file system in memory, mounted in a namespace of its own. A process holds the namespace, and the mount goes
 * with it, however the test ends.
 */
export class SmallDisk {
  readonly #enter: readonly string[];
  /** Where processes outside of the namespace find it. */
  readonly path: string;

  private constructor({ pid }: ChildProcess, at: string, enter: (ns: string) => readonly string[]) {
    this.#enter = enter(`/proc/${pid}/ns`);
    this.path = `/proc/${pid}/root${at}`;
  }

  /** Mounted on the folder `at`, with tmpfs' options; ends with the test. Text says why there is none. */
  static async start(at: string, options: string): Promise<SmallDisk | string> {
    for (const { flag, enter } of NAMESPACES) {
      const env = { ...process.env, ...markedEnv() };
      const args = [flag, "sh", "-c", HOLD, "sh", options, at];
      const holder = spawn("unshare", args, { stdio: ["pipe", "pipe", "ignore"], env });
      onTestFinished(() => void holder.kill("SIGKILL"));
      const ended = once(holder, "close").catch(() => {});
      const mounted = once(holder.stdout, "data").then(() => true);
      if (!(await Promise.race([mounted, ended.then(() => false)]))) continue;
      const disk = new SmallDisk(holder, at, enter);
      if (await disk.#canBeEntered()) return disk;
      holder.kill("SIGKILL");
    }
    return NEEDS;
  }

  /** Runs a program where this is mounted, in the same process and in the folder `/`. */
  around(program: readonly string[]): [string, ...string[]] {
    return ["nsenter", ...this.#enter, ...program];
  }

  /** Until `free` there is no room for another byte, or for another name. */
  fill(what: "bytes" | "names"): void {
    const filler = join(this.path, "filler");
    if (what === "bytes") fillFile(filler);
    else fillFolder(filler);
  }

  free(): void {
    rmSync(join(this.path, "filler"), { recursive: true, force: true });
  }

  async #canBeEntered(): Promise<boolean> {
    const [program, ...args] = this.around(["true"]);
    const child = spawn(program, args, { stdio: "ignore" });
    return once(child, "close").then(
      ([code]) => code === 0,
      () => false,
    );
  }
}

function fillFile(path: string): void {
  const fd = openSync(path, "w");
  for (const piece of PIECES) untilFull(() => writeSync(fd, piece));
  closeSync(fd);
}

function fillFolder(path: string): void {
  let made = 0;
  mkdirSync(path);
  untilFull(() => closeSync(openSync(join(path, String(made++)), "w")));
}

function untilFull(work: () => void): void {
  try {
    for (;;) work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}
