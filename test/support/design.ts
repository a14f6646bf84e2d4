import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./build.ts";
import { readPage, tableBelow } from "./pages.ts";

const SRC = join(ROOT, "src");

/** All of src, by path from there. */
export async function sourceFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(SRC, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(SRC.length + 1), await readFile(path, "utf8"));
  }
  return files;
}

/** The code spans of each cell of each row of the tables below a heading of docs/design.md. */
export async function designRows(heading: string): Promise<string[][][]> {
  const [, ...rows] = tableBelow(await readPage("docs/design.md"), heading);
  return rows.map((row) => row.map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span)));
}

/** Whether a source declares a function, a class, a type or, as `Class.member`, a member of one, private ones too. */
export function declares(source: string, name: string): boolean {
  const [owner = "", member] = name.split(".");
  const declared = new RegExp(
    `^(export )?(async )?(abstract )?(function\\*?|class|interface|type|const) ${owner}\\b`,
    "m",
  );
  if (!declared.test(source)) return false;
  return (
    member === undefined ||
    new RegExp(`^  (static |async |get |readonly |\\*)*#?${member}[?]?[(<:]`, "m").test(source)
  );
}

/** A row of the life of an entry. */
export interface Step {
  /** From src/. */
  readonly path: string;
  /** The functions that have the entry, as `name` or `Class.name`. */
  readonly passes: readonly string[];
  readonly asks: readonly string[];
  readonly mentions: readonly string[];
}

export async function lifeOfAnEntry(): Promise<Step[]> {
  const rows = await designRows("The life of an entry");
  return rows.map(([[path = ""] = [], passes = [], asks = [], mentions = []]) => ({
    path,
    passes,
    asks,
    mentions,
  }));
}
