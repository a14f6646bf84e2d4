import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import manifest from "../../../package.json" with { type: "json" };

const FILE = join(import.meta.dirname, "../../../bin/streamctl.js");
const source = readFileSync(FILE, "utf8").replace(/^#!.*\n/, "");

/** What bin/streamctl.js does under a Node of that version. */
function start(version: string): { stderr: string; started: boolean; exitCode: number | undefined } {
  let [stderr, started] = ["", false];
  const write = (text: string): void => void (stderr += text);
  const process: Record<string, unknown> = {
    version: `v${version}`,
    versions: { node: version },
    execPath: "/usr/bin/node",
    stderr: { write },
  };
  const require = (): void => void (started = true);
  runInNewContext(source, { process, require });
  return { stderr, started, exitCode: process["exitCode"] as number | undefined };
}

test.each(["20.19.0", "20.20.2", "22.0.0", "26.1.0"])("Node %s runs the program", (version) => {
  expect(start(version)).toEqual({ stderr: "", started: true, exitCode: undefined });
});

test.each(["6.17.1", "18.20.8", "20.9.0", "20.18.3"])(
  "Node %s is told what is needed, in one line",
  (version) => {
    expect(start(version)).toEqual({
      stderr: `streamctl: error: needs Node 20.19 or newer, and this is v${version} (/usr/bin/node)\n`,
      started: false,
      exitCode: 1,
    });
  },
);

test("the file that says so is in the syntax of any Node, and says what package.json does", () => {
  expect(source.replace(/^\/\/.*$/gm, "")).not.toMatch(
    /=>|\b(?:const|let|class|import|async|await)\b|`|\?\.|,\s*\)/,
  );
  expect(manifest.engines.node).toBe(">=20.19.0");
});
