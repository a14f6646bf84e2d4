import { readdir, readFile } from "node:fs/promises";

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
 * The living processes that have this environment (default: of any run of this test file). Reads /proc,
 * so it works on Linux; elsewhere it fails rather than finding nothing.
 */
export async function markedProcesses(env?: Record<string, string>): Promise<FoundProcess[]> {
  const wanted = env?.[MARKER] === undefined ? `${MARKER}=${process.pid}-` : `${MARKER}=${env[MARKER]}\0`;
  const found: FoundProcess[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const environment = await readFile(`/proc/${name}/environ`, "latin1");
      if (!`\0${environment}\0`.includes(`\0${wanted}`)) continue;
      const command = await readFile(`/proc/${name}/cmdline`, "latin1");
      found.push({ pid: Number(name), command: command.replaceAll("\0", " ").trim() });
    } catch {
      // It ended meanwhile, or belongs to somebody else.
    }
  }
  return found;
}
