import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { bin } from "../support/bin.ts";
import { ROOT } from "../support/build.ts";

/** npm on newer Nodes keeps compiled code in the temporary folder. */
const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" };
const run = promisify(execFile);
const npm = (args: readonly string[], cwd?: string) => run("npm", args, { env, cwd });
let folder = "";
let tarball = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pack-"));
  await npm(["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], ROOT);
  tarball = join(folder, (await readdir(folder))[0] ?? "");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("the tarball holds the program, its manual, completions and schemas, and nothing else", async () => {
  const { stdout } = await run("tar", ["-tzf", tarball]);
  const files = stdout.trim().split("\n");
  const top = new Set(files.map((file) => file.split("/").slice(0, 2).join("/")));
  const expected = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "bin",
    "completions",
    "dist",
    "docs",
    "man",
    "package.json",
  ];
  expect([...top].toSorted()).toEqual(expected.map((name) => `package/${name}`));
  expect(
    files.filter((file) => !/^package\/docs\/schemas\/[\w-]+\.(json|txt)$/.test(file)).join(),
  ).not.toContain("package/docs/");
  const beside = files.filter((file) => !/^package\/dist\/chunks\/[\w.-]+\.cjs$/.test(file));
  expect(beside.filter((file) => file.startsWith("package/dist/")).toSorted()).toEqual([
    "package/dist/LICENSES",
    "package/dist/main.cjs",
  ]);
});

test("the licence of every package of which something is in the program comes along", async () => {
  const licenses = await readFile(join(ROOT, "dist", "LICENSES"), "utf8");
  const titles = new Set([...licenses.matchAll(/^## (\S+) \d/gm)].map(([, name]) => name));
  const names = new Set<string>();
  for (const chunk of await readdir(join(ROOT, "dist", "chunks"))) {
    const source = await readFile(join(ROOT, "dist", "chunks", chunk), "utf8");
    for (const [, name = ""] of source.matchAll(/\/\/ node_modules\/((?:@[\w.-]+\/)?[\w.-]+)/g))
      names.add(name);
  }
  expect(names).toContain("ioredis");
  expect([...names].filter((name) => !titles.has(name))).toEqual([]);
});

test("installing it runs nothing and fetches nothing", () => {
  const scripts = Object.keys(manifest.scripts);
  for (const name of ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"])
    expect(scripts).not.toContain(name);
  expect(manifest).not.toHaveProperty("dependencies");
  expect(manifest).not.toHaveProperty("optionalDependencies");
  expect(Object.keys(manifest.peerDependencies)).toEqual(Object.keys(manifest.peerDependenciesMeta));
});

test.each([
  ["in a project", [], ["node_modules", ".bin"], ["node_modules"]],
  ["globally", ["--global"], ["bin"], ["lib", "node_modules"]],
])("it installs offline %s, and runs without the repository", async (_, flags, programs, modules) => {
  const prefix = await mkdtemp(join(folder, "prefix-"));
  const quiet = ["--offline", "--no-audit", "--no-fund", "--silent", "--cache", join(folder, "cache")];
  await npm(["install", ...quiet, ...flags, "--prefix", prefix, tarball]);
  expect((await readdir(join(prefix, ...modules))).filter((name) => !name.startsWith("."))).toEqual([
    "streamctl",
  ]);
  const program = join(prefix, ...programs, "streamctl");
  const result = await bin(["--version"], { program: [program] });
  expect(result).toMatchObject({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
  if (flags.length > 0)
    expect(await readdir(join(prefix, "share", "man", "man7"))).toContain("streamctl-exec.7");
  const sandbox = await bin(["sandbox", "--", "echo", "ran"], { program: [program] });
  expect(sandbox).toMatchObject({ code: 0, stdout: "ran\n" });
});
