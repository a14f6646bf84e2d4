import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { allCommands } from "../../../src/commands/tree.ts";
import { buildProgram } from "../../../src/program.ts";
import { ROOT } from "../../support/build.ts";
import { parseLine, shellWords } from "../../support/command-lines.ts";
import { blocksOf, linesOf, pageNames, readPage } from "../../support/pages.ts";

const PAGES = new Map<string, string>();
for (const name of await pageNames()) PAGES.set(name, await readPage(name));

test.each([...PAGES])("%s: every command line is one that streamctl takes", async (page, text) => {
  for (const block of blocksOf(page, text).filter(({ language }) => language === "sh"))
    for (const line of linesOf(block))
      await expect(parseLine(line), `${page}:${block.line}: ${line.join(" ")}`).resolves.toBeDefined();
});

test("README stays a page that is read to its end: what is longer belongs into docs/", () => {
  expect(Buffer.byteLength(PAGES.get("README.md") ?? "")).toBeLessThanOrEqual(12_000);
});

test("the pages have command lines", () => {
  const lines = [...PAGES].flatMap(([page, text]) => blocksOf(page, text).flatMap(linesOf));
  expect(lines.length).toBeGreaterThan(100);
});

test.each([...PAGES])("%s: what it says in passing is taken, too", async (page, text) => {
  const spans = [...text.replaceAll(/^```[^]*?^```$/gm, "").matchAll(/`(streamctl [^`]+)`/g)];
  for (const [, span = ""] of spans) {
    const [, ...words] = shellWords(span);
    // A command's name, or capitals for what the reader puts there.
    const whole = words.length > 1 && !words.some((word) => /^[A-Z_…]+$/.test(word));
    if (whole && words[0] !== "help")
      await expect(parseLine(words), `${page}: ${span}`).resolves.toBeDefined();
  }
});

test.each([...PAGES])("%s: its links lead somewhere", async (page, text) => {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, "");
  for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target)) continue;
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? page : join(dirname(page), path);
    await expect(access(join(ROOT, file)), `${page}: ${target}`).resolves.toBeUndefined();
    if (anchor !== undefined)
      expect(anchorsOf(PAGES.get(file) ?? ""), `${page}: ${target}`).toContain(anchor);
  }
});

/** What GitHub and npm make of headings. */
function anchorsOf(text: string): string[] {
  const headings = text.replaceAll(/^```[^]*?^```$/gm, "").matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test("every command has one place in docs/ for the table of its flags", async () => {
  const program = await buildProgram(() => () => Promise.resolve());
  const commands = [...allCommands(program)]
    .filter(([path, { commands: below }]) => below.length === 0 && path !== "help" && path !== "__complete")
    .map(([path]) => path);
  const places = [...PAGES].flatMap(([, text]) =>
    [...text.matchAll(/^<!-- flags: (.*) -->\n[^]*?^<!-- \/flags -->$/gm)].map(([, path = ""]) => path),
  );
  expect(places.toSorted()).toEqual(commands.toSorted());
});
