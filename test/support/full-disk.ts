import { closeSync, existsSync, openSync } from "node:fs";
import { onTestFinished } from "vitest";
import { FileOut } from "../../src/output/file-out.ts";

/** A file in which nothing has room; Linux and FreeBSD have it. */
export const FULL = "/dev/full";
export const hasFull = existsSync(FULL);

/** A stdout on which nothing has room. */
export function fullStdout(): FileOut {
  const fd = openSync(FULL, "w");
  onTestFinished(() => closeSync(fd));
  // The program listens all its life, also before and after a run.
  return new FileOut(fd).on("error", () => {});
}
