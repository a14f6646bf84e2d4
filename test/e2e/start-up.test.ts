import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { BIN, bin } from "../support/bin.ts";
import { ROOT } from "../support/build.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";

interface Loaded {
  /** Files of the program, without their hashes. */
  readonly files: readonly string[];
  /** Parts of Node, internal ones included. */
  readonly node: readonly string[];
}

/** What a run of the program, or of another script, loads; it must end with exit 0. */
async function loadedBy(argv: readonly string[], script = BIN): Promise<Loaded> {
  const folder = await mkdtemp(join(tmpdir(), "streamctl-start-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const list = join(folder, "node.txt");
  const hook = join(folder, "hook.cjs");
  await writeFile(
    hook,
    `process.on("exit", () => {
      const names = process.moduleLoadList.join("\\n");
      require("node:fs").writeFileSync(${JSON.stringify(list)}, names);
    });`,
  );
  const coverage = join(folder, "coverage");
  const { code, stderr } = await bin(argv, {
    program: [process.execPath, "--require", hook, script],
    env: { NODE_V8_COVERAGE: coverage },
  });
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const reports = await Promise.all(
    (await readdir(coverage)).map(
      async (name) =>
        JSON.parse(await readFile(join(coverage, name), "utf8")) as { result: { url: string }[] },
    ),
  );
  const urls = reports.flatMap(({ result }) => result.map(({ url }) => url));
  return {
    files: urls
      .filter((url) => url.includes("/dist/"))
      .map((url) => basename(url).replace(/-[\w-]{8}\.js$/, ""))
      .sort(),
    node: (await readFile(list, "utf8")).split("\n").map((line) => line.replace(/^NativeModule /, "")),
  };
}

test("lag loads neither other commands nor parts of Node that it does not use", async () => {
  const redis = rawRedis();
  const key = uniqueKey();
  await redis.xgroup("CREATE", key, "g", "$", "MKSTREAM");
  const { files, node } = await loadedBy(["lag", key]);
  expect(files).toEqual(["look", "main.js", "redis", "rolldown-runtime", "run"]);
  const bare = await loadedBy([], join(ROOT, "bin", "package.json"));
  const heavy = ["crypto", "tls", "tty", "zlib", "child_process", "readline", "internal/fs/streams"];
  expect(node.filter((name) => heavy.includes(name) && !bare.node.includes(name))).toEqual([]);
});

test("ls loads what lag does, and the definitions of commands", async () => {
  const key = uniqueKey();
  await rawRedis().xadd(key, "1-1", "a", "1");
  const { files } = await loadedBy(["ls", key]);
  expect(files).toEqual(["commands", "look", "main.js", "redis", "rolldown-runtime", "run"]);
});

test("--help loads no Redis", async () => {
  expect((await loadedBy(["--help"])).files).toEqual(["commands", "main.js", "rolldown-runtime", "run"]);
});

test("Tab loads no Redis where it completes commands, flags and values", async () => {
  for (const line of ["streamctl ", "streamctl lag --", "streamctl lag -o "]) {
    const { files } = await loadedBy(["__complete", "--", line]);
    expect(files, line).not.toContain("redis");
  }
});
