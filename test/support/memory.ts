import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BIN, BinRun } from "./bin.ts";
import { scratchDir } from "./worker.ts";

export const MB = 1024 * 1024;

export interface Measured {
  readonly code: number | null;
  readonly stderr: string;
  /** How much it printed; none of it is kept. */
  readonly bytes: number;
  /** The most memory that the process ever had, in MB, as Linux tells. */
  readonly peakMb: number;
}

/** Runs the built streamctl to its end. */
export async function measured(argv: readonly string[]): Promise<Measured> {
  const dir = await scratchDir();
  const [hook, status] = [join(dir, "hook.cjs"), join(dir, "status")];
  // What getrusage tells begins with the memory of whoever made the process.
  const copy = `fs.writeFileSync(${JSON.stringify(status)}, fs.readFileSync("/proc/self/status"))`;
  await writeFile(hook, `const fs = require("node:fs"); process.on("exit", () => ${copy})`);
  const run = new BinRun(argv, { program: [process.execPath, "--require", hook, BIN] });
  run.stdoutStream.removeAllListeners("data");
  let bytes = 0;
  for await (const chunk of run.stdoutStream) bytes += (chunk as Buffer).length;
  const { code, stderr } = await run.done;
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(await readFile(status, "utf8")) ?? [];
  return { code, stderr, bytes, peakMb: Number(kilobytes) / 1_024 };
}
