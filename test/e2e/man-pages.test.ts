import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { findOnPath } from "../../src/sandbox/find-server.ts";
import { ROOT } from "../support/build.ts";

const man = await findOnPath("man", process.env);
if (man === undefined) console.log("skipped: rendering man pages needs man, which is not on PATH");

/** On stderr what man has to say against the pages. */
function render(...paths: string[]): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, LC_ALL: "C.UTF-8", MANWIDTH: "80", MANPAGER: "cat" };
  return promisify(execFile)("man", ["-l", "--warnings", ...paths], { env });
}

describe.skipIf(man === undefined)("man", () => {
  test("renders every page without a warning, no line wider than the terminal", async () => {
    const pages = (await readdir(join(ROOT, "man"))).map((name) => join(ROOT, "man", name));
    const { stdout, stderr } = await render(...pages);
    expect(stderr).toBe("");
    expect(stdout).toContain("STREAMCTL-DLQ-REPLAY(1)");
    // Examples are there to be copied, and stand 11 columns in.
    const wide = stdout.split("\n").filter((line) => line.length > 80 && !line.startsWith(" ".repeat(11)));
    expect(wide).toEqual([]);
  });

  test("would warn of what is wrong", async () => {
    const folder = await mkdtemp(join(tmpdir(), "man-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "wrong.1"), ".TH WRONG 1\n.SH NAME\nwrong \\- wrong\n.NONE\n");
    expect((await render(join(folder, "wrong.1"))).stderr).toContain("NONE");
  });
});
