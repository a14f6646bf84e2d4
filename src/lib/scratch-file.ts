import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";

/** What files are called for the moment they have names can't be guessed. */
const NAME = randomBytes(12).toString("hex");
let made = 0;

/** A name that nothing has yet. */
export function scratchName(dir: string): string {
  return join(dir, `streamctl-${NAME}-${made++}`);
}

/**
 * A file without a name, to read and write, with all of `bytes` in it; its owner closes it. Undefined when no
 * folder has room for the whole of it, or a limit on the size of files forbids it. Throws for want of descriptors.
 */
export function scratchFile(dirs: readonly string[], bytes: Buffer): number | undefined {
  for (const dir of dirs) {
    const fd = fileIn(dir, bytes);
    if (fd !== undefined) return fd;
  }
  return undefined;
}

function fileIn(dir: string, bytes: Buffer): number | undefined {
  const name = scratchName(dir);
  let fd: number | undefined;
  try {
    fd = openSync(name, "wx+", 0o600);
    unlinkSync(name);
    // At a position, so that a child that gets this descriptor begins to read at the beginning.
    if (writeSync(fd, bytes, 0, bytes.length, 0) === bytes.length) return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    if (NO_DESCRIPTORS.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return undefined;
  }
  closeSync(fd);
  return undefined;
}

const NO_DESCRIPTORS = new Set(["EMFILE", "ENFILE"]);
