import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { ROOT } from "../../support/build.ts";

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const source = read("bin/streamctl.js").replace(/^#!.*\n/, "");

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

describe("nothing newer than the oldest supported Node is used", () => {
  const [, floor = "?"] = /^>=(\d+\.\d+)\.0$/.exec(manifest.engines.node) ?? [];

  test("in what is built and in tests: their types, and the target of the build, are that Node's", () => {
    const lock = JSON.parse(read("package-lock.json")) as { packages: Record<string, { version: string }> };
    expect(lock.packages["node_modules/@types/node"]?.version).toMatch(
      new RegExp(`^${floor.replace(".", "\\.")}\\.`),
    );
    expect(read("scripts/build.mjs")).toContain(`target: "node${floor}"`);
    // The library of ES2024 wants Node 22.
    expect(read("tsconfig.json")).toContain('"lib": ["es2023"]');
  });

  // Their own types are nobody's concern: what TypeScript says of them is left out, but for what no library and no module has.
  test("in scripts, benchmarks and bin/, which no compiler sees otherwise", async () => {
    const tsc = join(ROOT, "node_modules", ".bin", "tsc");
    const said = await new Promise<string>((resolve) => {
      const args = ["--noEmit", "--pretty", "false", "-p", join(ROOT, "test/support/scripts.tsconfig.json")];
      execFile(tsc, args, { cwd: ROOT, maxBuffer: 16 * 1024 * 1024 }, (_, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
    const lines = said.split("\n").filter((line) => line !== "");
    expect(lines.filter((line) => !/^ |^(bin|bench|scripts)\//.test(line))).toEqual([]);
    const missing =
      /error TS(2305|2307|2550|2583|2591|2693|2724)\b|not exist on type '(typeof |\w*Constructor|\w*Iterator<|(Process|Math|ImportMeta)')/;
    expect(lines.filter((line) => missing.test(line))).toEqual([]);
  });
});
