import { resolve } from "node:path";
import { Option } from "commander";
import type { Context } from "../context.ts";
import type { ArchiveFile } from "../engine/archive/archive-file.ts";

/** `--archive`, the same in every command that deletes entries. */
export function archiveOption(): Option {
  return new Option(
    "--archive <file>",
    "append the entries to this file before deleting them; compressed when it ends in .gz",
  );
}

/** Opens the file; it is closed when the command ends. */
export async function openArchive(context: Context, path: string): Promise<ArchiveFile> {
  const { ArchiveFile } = await import("../engine/archive/archive-file.ts");
  const archive = await ArchiveFile.open(resolve(context.io.cwd, path), (kept) =>
    context.log.warn(`${path} ended in the middle of what a killed run wrote: it is kept as ${kept}`),
  );
  context.defer(() => archive.close());
  return archive;
}
