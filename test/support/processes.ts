import { readdir, readFile, readlink } from "node:fs/promises";
import { tmpdir } from "node:os";

/** The variable by which everything a test file starts is known, down to the grandchildren. */
const MARKER = "STREAMCTLTEST_RUN";

let counter = 0;

/** Environment for one run, different for each. */
export function markedEnv(): Record<string, string> {
  return { [MARKER]: `${process.pid}-${counter++}` };
}

export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * The living processes that have this environment; without one, those of any run of this test file, and
 * those that stand in its temporary folder (a Redis hides its environment behind its title). Reads /proc,
 * so it works on Linux; elsewhere it fails rather than finding nothing.
 */
export async function markedProcesses(env?: Record<string, string>): Promise<FoundProcess[]> {
  const wanted = env?.[MARKER] === undefined ? `${MARKER}=${process.pid}-` : `${MARKER}=${env[MARKER]}\0`;
  const found: FoundProcess[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const environment = await readFile(`/proc/${name}/environ`, "latin1");
      const marked = `\0${environment}\0`.includes(`\0${wanted}`);
      if (!marked && (env !== undefined || !(await standsInTemporaryFolder(name)))) continue;
      const command = await readFile(`/proc/${name}/cmdline`, "latin1");
      found.push({ pid: Number(name), command: command.replaceAll("\0", " ").trim() });
    } catch {
      // It ended meanwhile, or belongs to somebody else.
    }
  }
  return found;
}

/** Only a temporary folder that belongs to this file alone tells anything. */
async function standsInTemporaryFolder(pid: string): Promise<boolean> {
  const folder = tmpdir();
  return folder.includes("streamctl-test-") && (await readlink(`/proc/${pid}/cwd`)).startsWith(folder);
}

/** Ends processes for good; those that have ended meanwhile are no error. */
export function killAll(processes: readonly FoundProcess[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
