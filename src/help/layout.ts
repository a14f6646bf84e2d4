import { wrapWords } from "../output/wrap.ts";

/** A list in a help text: what there is, and what each means. */
export interface Section {
  readonly title: string;
  readonly items: readonly (readonly [term: string, description: string])[];
}

/** Longer lines are hard to read, however wide the terminal is. */
const WIDEST = 100;
const NARROWEST = 30;
/** A longer term has its description below it. */
const LONGEST_TERM = 34;
/** With less room than this beside the terms, descriptions stand below them. */
const LEAST_ROOM = 28;
const BELOW = " ".repeat(6);

/** The width that help is laid out for on a terminal of so many columns; some tell 0. */
export function helpWidth(columns: number): number {
  if (columns <= 0) return 80;
  return Math.min(Math.max(columns, NARROWEST), WIDEST);
}

/** The sections as text, all their descriptions in one column; empty ones are left out. */
export function layOutSections(sections: readonly Section[], width: number): string {
  const filled = sections.filter(({ items }) => items.length > 0);
  const terms = filled.flatMap(({ items }) => items.map(([term]) => term.length));
  const column = Math.max(0, ...terms.filter((length) => length <= LONGEST_TERM));
  return filled
    .map(
      ({ title, items }) =>
        `${title}\n${items.map((item) => `${layOutItem(item, column, width)}\n`).join("")}`,
    )
    .join("\n");
}

function layOutItem([term, description]: Section["items"][number], column: number, width: number): string {
  const room = width - column - 4;
  const beside = room >= LEAST_ROOM && term.length <= column;
  if (description === "") return `  ${term}`;
  if (!beside)
    return [`  ${term}`, ...wrapWords(description, width - BELOW.length).map((line) => BELOW + line)].join(
      "\n",
    );
  const [first = "", ...more] = wrapWords(description, room);
  const indent = " ".repeat(column + 4);
  return [`  ${term.padEnd(column)}  ${first}`, ...more.map((line) => indent + line)].join("\n");
}

/**
 * A text of paragraphs, lists and examples, wrapped to `width`. Lines that begin with a space are kept as they
 * are, because examples are there to be copied; only in lists of `  term  what it means` the meaning is wrapped.
 */
export function wrapHelp(text: string, width: number): string {
  return text
    .split(/\n(?=\n)/)
    .map((block) => wrapBlock(block.split("\n"), width).join("\n"))
    .join("\n");
}

function wrapBlock(lines: readonly string[], width: number): string[] {
  return runsOf(lines).flatMap((run) => (typeof run === "string" ? [run] : wrapRun(run, width)));
}

/** The paragraphs and list items of a block, in order, and as texts the lines that are kept as they are. */
export function runsOf(lines: readonly string[]): (Run | string)[] {
  const examples = lines.some((line) => /^Examples?:$/.test(line));
  const done: (Run | string)[] = [];
  let open: Run | undefined;
  const close = (): void => {
    if (open) done.push(open);
    open = undefined;
  };
  for (const line of lines) {
    const item = examples ? undefined : ITEM.exec(line)?.[1];
    if (item !== undefined) {
      close();
      open = { head: item, indent: item.length, text: line.slice(item.length) };
    } else if (open && line.startsWith(" ".repeat(Math.max(1, open.indent))) && open.indent > 0)
      open = { ...open, text: `${open.text} ${line.trim()}` };
    else if (line === "" || line.startsWith(" ")) {
      close();
      done.push(line);
    } else if (open && open.indent === 0) open = { ...open, text: `${open.text} ${line}` };
    else {
      close();
      open = { head: "", indent: 0, text: line };
    }
  }
  close();
  return done;
}

/** `  term  what it means`. */
const ITEM = /^( {2}(?!streamctl )\S+(?: \S+)* {2,})\S/;

/** Lines that belong together: a paragraph, or a term with what it means. */
export interface Run {
  readonly head: string;
  readonly indent: number;
  readonly text: string;
}

function wrapRun({ head, indent, text }: Run, width: number): string[] {
  if (width - indent < LEAST_ROOM)
    return [head.trimEnd(), ...wrapWords(text, width - BELOW.length).map((line) => BELOW + line)];
  const [first = "", ...more] = wrapWords(text, width - indent);
  return [head + first, ...more.map((line) => " ".repeat(indent) + line)];
}
