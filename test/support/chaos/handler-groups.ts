import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { pause } from "./seat.ts";

/** What a fault ends of a worker's handlers. */
export type Victims = "idle shells" | "shells of handlers" | "handlers";

const LOOK_FOR_MS = 400;
/** What was hit is gone, and most often replaced, when this is over. */
const SETTLE_MS = 60;

/** kill -9 of what a worker's entries run in, and an account of the groups that were hit. */
export class HandlerGroups {
  readonly #killed = new Set<string>();

  /** How many were hit. */
  get killed(): number {
    return this.#killed.size;
  }

  /** Whether a fault ended this group of this worker. */
  wasKilled(worker: number, group: number): boolean {
    return this.#killed.has(`${worker}/${group}`);
  }

  /** One of them, or all that there are at that moment; there may be none for a while, or at all. */
  async kill(worker: number, victims: Victims, howMany: "one" | "all"): Promise<void> {
    for (const end = Date.now() + LOOK_FOR_MS; Date.now() < end; await pause(20)) {
      const found = groupsOf(worker).filter((group) => isOf(victims, group));
      for (const { pgid } of howMany === "all" ? found : found.slice(0, 1)) {
        // Also one that was idle: it may have been given an entry since the look.
        this.#killed.add(`${worker}/${pgid}`);
        sendKill(victims === "handlers" ? -pgid : pgid);
      }
      if (found.length > 0) return pause(SETTLE_MS);
    }
  }
}

interface Group {
  readonly pgid: number;
  /** A waiting shell leads it. */
  readonly shell: boolean;
  /** Something runs in it besides its leader, or its leader is the handler. */
  readonly busy: boolean;
}

function isOf(victims: Victims, { shell, busy }: Group): boolean {
  if (victims === "handlers") return busy;
  return shell && busy === (victims === "shells of handlers");
}

/** The process groups of a worker's waiting shells and handlers, told by what their leaders' descriptors are. */
function groupsOf(worker: number): Group[] {
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap(statOf);
  const parents = new Set(processes.map(({ ppid }) => ppid));
  return processes
    .filter(({ pid, ppid, pgrp }) => ppid === worker && pid === pgrp)
    .flatMap(({ pid }): Group[] => {
      // Its channel is a socket, and its runs open their own input and output.
      if (isSocket(`/proc/${pid}/fd/3`) && !isSocket(`/proc/${pid}/fd/0`))
        return [{ pgid: pid, shell: true, busy: parents.has(pid) }];
      return isFifo(`/proc/${pid}/fd/1`) ? [{ pgid: pid, shell: false, busy: true }] : [];
    });
}

function statOf(name: string): { pid: number; ppid: number; pgrp: number }[] {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, "latin1");
    const [, ppid, pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return [{ pid: Number(name), ppid: Number(ppid), pgrp: Number(pgrp) }];
  } catch {
    // It ended meanwhile.
    return [];
  }
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith("socket:");
  } catch {
    return false;
  }
}

function isFifo(path: string): boolean {
  try {
    return statSync(path).isFIFO();
  } catch {
    return false;
  }
}

function sendKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
