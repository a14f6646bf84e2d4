import { closeSync, writeSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { scratchFile } from "../../lib/scratch-file.ts";
import { exitOf, startProcess } from "./process.ts";

/**
 * Waits for the end of its input, which the worker alone holds: then the worker is gone. If it had no time to
 * take the groups off the list (fd 3), those whose first process still runs are ended. A waiting shell
 * without an entry ends by itself, and what handlers left behind on purpose stays.
 */
const SCRIPT = `
trap '' HUP INT TERM
read -r _
groups=
while read -r pgid; do
  [ -z "$pgid" ] || groups="$groups $pgid"
done <&3
[ -n "$groups" ] || exit
sleep 1
left=
runs() {
  kill -0 "$1" || return
  # A zombie can still be signalled.
  read -r stat <"/proc/$1/stat" || return 0
  case $stat in *') Z '* | *') X '*) return 1 ;; esac
}
for pgid in $groups; do
  if runs "$pgid" && kill -TERM "-$pgid"; then left="$left $pgid"; fi
done
deciseconds=$1
while [ -n "$left" ] && [ "$deciseconds" -gt 0 ]; do
  sleep 0.1
  deciseconds=$((deciseconds - 1)) still=
  for pgid in $left; do
    if kill -0 "-$pgid"; then still="$still $pgid"; fi
  done
  left=$still
done
for pgid in $left; do kill -KILL "-$pgid"; done
`;

export interface GuardSettings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the list has a name for a moment, the best first. */
  readonly scratchDirs: readonly string[];
  readonly killAfterMs: number;
}

const AGAIN_AFTER_MS = 1_000;
const ROW_BYTES = 12;
/** Room that the list has from the start, so that a full disk is no reason to do without it. */
const ROWS = 256;

/**
 * A process that ends the worker's handlers when the worker was killed and can't do it itself. The list of
 * their groups is a file without a name, a line for each: noting a process costs one write and wakes no
 * other.
 */
export class GroupGuard {
  readonly #settings: GuardSettings;
  readonly #rows = new Map<number, number>();
  readonly #free: number[] = [];
  #list: number | undefined;
  #child: ChildProcess | undefined;
  #ended: Promise<void> | undefined;
  #notBefore = 0;

  constructor(settings: GuardSettings) {
    this.#settings = settings;
  }

  /** To be called before a group is started, so that `add` takes no longer than a write. */
  watch(): void {
    if (!this.#child) this.#start();
  }

  /** Called right after the group's start: a worker that is killed in between leaves it behind. */
  add(pgid: number): void {
    const row = this.#free.pop() ?? this.#rows.size;
    this.#rows.set(pgid, row);
    this.#note(row, String(pgid));
  }

  remove(pgid: number): void {
    const row = this.#rows.get(pgid);
    if (row === undefined) return;
    this.#rows.delete(pgid);
    this.#free.push(row);
    this.#note(row, "");
  }

  async close(): Promise<void> {
    for (const pgid of this.#rows.keys()) this.remove(pgid);
    this.#child?.stdin?.end();
    await this.#ended;
    if (this.#list !== undefined) closeSync(this.#list);
    this.#list = undefined;
  }

  /** For want of room in the list a group is not guarded; it runs all the same. */
  #note(row: number, text: string): void {
    if (this.#list === undefined) return;
    try {
      writeSync(this.#list, lineOf(text), row * ROW_BYTES);
    } catch {
      // Nothing better is left to do.
    }
  }

  /** Where it can't be started now, the next group tries again. */
  #start(): void {
    if (performance.now() < this.#notBefore) return;
    this.#notBefore = performance.now() + AGAIN_AFTER_MS;
    const { env, scratchDirs, killAfterMs } = this.#settings;
    try {
      this.#list ??= scratchFile(scratchDirs, Buffer.from(lineOf("").repeat(ROWS)));
    } catch {
      return;
    }
    if (this.#list === undefined) return;
    const child = startProcess("/bin/sh", ["-c", SCRIPT, "sh", String(Math.ceil(killAfterMs / 100))], {
      cwd: "/",
      env,
      stdio: ["pipe", "ignore", "ignore", this.#list],
    });
    this.#child = child;
    child.stdin?.on("error", () => {});
    this.#ended = exitOf(child).then(() => {
      child.stdin?.destroy();
      if (this.#child === child) this.#child = undefined;
    });
  }
}

function lineOf(text: string): string {
  return `${text.padEnd(ROW_BYTES - 1)}\n`;
}
