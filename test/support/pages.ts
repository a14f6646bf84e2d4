import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./build.ts";
import { commandLines } from "./command-lines.ts";

/**
 * A fenced block of a page, with what the comments before it say about it. Readers do not see these comments:
 *
 *     <!-- run: COMMANDS -->     set-up that the page does not show; may have several lines
 *     <!-- needs: jq, redis 7.0 -->  programs on PATH, and the oldest server that takes the block
 *     <!-- exits 6 -->           what the block ends with, when it is not 0
 *     <!-- stop -->              it does not end by itself: SIGTERM to streamctl once it has written something
 *     <!-- not run: REASON -->   parsed only
 *     <!-- file: NAME -->        the block is what this file holds
 *     <!-- prints -->            the block is what the block before it prints
 */
export interface Block {
  /** `docs/trim.md`. */
  readonly page: string;
  /** Of its first line, from 1. */
  readonly line: number;
  /** `sh`, `json`, …; empty when the fence names none. */
  readonly language: string;
  readonly text: string;
  readonly setUp?: string;
  readonly needs: readonly string[];
  readonly exits: number;
  readonly stop: boolean;
  readonly notRun?: string;
  readonly file?: string;
  readonly prints: boolean;
}

/** Every page that people read, as paths from the root of the repository. */
export async function pageNames(): Promise<string[]> {
  const docs = (await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md"));
  return [
    "README.md",
    "CONTRIBUTING.md",
    "examples/README.md",
    ...docs.toSorted().map((name) => `docs/${name}`),
  ];
}

export function readPage(page: string): Promise<string> {
  return readFile(join(ROOT, page), "utf8");
}

/** The cells of the tables below a heading, row by row, the head first. */
export function tableBelow(text: string, heading: string): string[][] {
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const rows = (section.split("\n## ")[0] ?? "").split("\n").filter((line) => /^\|(?! *-)/.test(line));
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The fenced blocks of a page, in order; throws at a comment that is none of the above, or stands before no block. */
export function blocksOf(page: string, text: string): Block[] {
  const blocks: Block[] = [];
  const parts = text.matchAll(/^<!-- ([^]*?) -->$|^( *)```(\w*)\n([^]*?)^ *```$|^.*```.*$/gm);
  let comments: string[] = [];
  for (const { index, 1: comment, 2: indent, 3: language, 4: body } of parts) {
    const line = text.slice(0, index).split("\n").length;
    if (comment !== undefined) {
      if (!/^\/?(flags|rows)\b/.test(comment)) comments.push(comment);
    } else if (body === undefined) {
      throw new Error(`${page}:${line}: a fence that is not closed`);
    } else {
      if (indent !== "") throw new Error(`${page}:${line}: a block that is indented`);
      blocks.push({
        page,
        line: line + 1,
        language: language ?? "",
        text: body,
        ...said(comments, `${page}:${line}`),
      });
      comments = [];
    }
  }
  if (comments.length > 0) throw new Error(`${page}: no block after <!-- ${comments[0]} -->`);
  return blocks;
}

function said(
  comments: readonly string[],
  place: string,
): Omit<Block, "page" | "line" | "language" | "text"> {
  const known = { needs: [] as string[], exits: 0, stop: false, prints: false };
  let more: Pick<Block, "setUp" | "notRun" | "file"> = {};
  for (const comment of comments) {
    const [, word = "", rest = ""] =
      /^(run:|needs:|exits|stop|not run:|file:|prints)(?:\s+([^]*))?$/.exec(comment) ?? [];
    if (word === "run:") more = { ...more, setUp: rest };
    else if (word === "needs:") known.needs.push(...rest.split(/, */));
    else if (word === "exits") known.exits = Number(rest);
    else if (word === "stop") known.stop = true;
    else if (word === "not run:" && rest !== "") more = { ...more, notRun: rest };
    else if (word === "file:") more = { ...more, file: rest };
    else if (word === "prints") known.prints = true;
    else throw new Error(`${place}: what is <!-- ${comment} -->?`);
  }
  return { ...known, ...more };
}

/** The command lines of streamctl in a block of shell, without the program's name; continued lines are joined. */
export function linesOf(block: Block): string[][] {
  return block.text
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .flatMap((line) => commandLines(line));
}
