import { resolve } from "node:path";
import type { Context } from "../context.ts";
import type { ArchiveFile } from "../engine/archive/archive-file.ts";

/** Opens the file; it is closed when the command ends. */
export async function openArchive(context: Context, path: string): Promise<ArchiveFile> {
  const { ArchiveFile } = await import("../engine/archive/archive-file.ts");
  const archive = await ArchiveFile.open(resolve(context.io.cwd, path), (kept) =>
    context.log.warn(`${path} ended in the middle of what a killed run wrote: it is kept as ${kept}`),
  );
  context.defer(() => archive.close());
  return archive;
}
