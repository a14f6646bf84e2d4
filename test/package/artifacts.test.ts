import { execFile, spawnSync } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, onTestFinished, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { buildArtifacts } from "../support/artifacts.ts";
import { BinRun } from "../support/bin.ts";
import { ROOT } from "../support/build.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis, until } from "../support/redis.ts";

const run = promisify(execFile);
const out = inject("artifacts");
const names = (await readdir(out)).toSorted();
const tarball = `streamctl-${manifest.version}.tgz`;

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "package-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("SHA256SUMS names every file, with its sum", async () => {
  const sums = await readFile(join(out, "SHA256SUMS"), "utf8");
  const listed = sums
    .trim()
    .split("\n")
    .map((line) => line.split("  ")[1]);
  expect(listed).toEqual(names.filter((name) => name !== "SHA256SUMS"));
  await run("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: out });
});

test("another build, in another folder and by a user with another umask, has the same bytes", async () => {
  const copy = await temporaryFolder();
  const parts = ["bin", "completions", "docs", "examples", "man", "scripts", "src"];
  const files = ["package.json", "tsconfig.json", "README.md", "CHANGELOG.md", "LICENSE", ".npmrc"];
  for (const name of [...parts, ...files]) await cp(join(ROOT, name), join(copy, name), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const umask = process.umask(0o077);
  try {
    await run(process.execPath, [join(copy, "scripts", "build.mjs")], {
      cwd: copy,
      env: { ...process.env, TZ: "Asia/Tokyo" },
    });
    await buildArtifacts(
      copy,
      join(copy, "out"),
      names.some((name) => name.includes("-linux-")),
    );
  } finally {
    process.umask(umask);
  }
  expect(await readFile(join(copy, "out", "SHA256SUMS"), "utf8")).toBe(
    await readFile(join(out, "SHA256SUMS"), "utf8"),
  );
});

test("the formula is of this tarball, and installs what is in it", async () => {
  const formula = await readFile(join(out, "streamctl.rb"), "utf8");
  const sums = await readFile(join(out, "SHA256SUMS"), "utf8");
  expect(sums).toContain(`${/sha256 "(\w+)"/.exec(formula)?.[1]}  ${tarball}\n`);
  expect(formula).toContain(`/v${manifest.version}/${tarball}"`);
  const held = (await run("tar", ["-tzf", join(out, tarball)])).stdout.split("\n");
  const installed = [...formula.matchAll(/"((?:completions|man)\/[^"]+)"/g)].map(([, path = ""]) => path);
  expect(installed).toHaveLength(5);
  for (const path of installed) {
    const pattern = new RegExp(`^package/${path.replaceAll(".", String.raw`\.`).replace("*", "[\\w.-]+")}$`);
    expect(
      held.some((name) => pattern.test(name)),
      path,
    ).toBe(true);
  }
  const { error, status, stderr } = spawnSync("ruby", ["-c", join(out, "streamctl.rb")], {
    encoding: "utf8",
  });
  if (error) console.log("not checked: the syntax of the formula (needs ruby)");
  else expect(status, stderr).toBe(0);
});

test("the Dockerfile: images have a tag, no root, no shell between signals and the program", async () => {
  const text = await readFile(join(out, "Dockerfile"), "utf8");
  const lines = text
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const of = (word: string): string[] =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const known = ["FROM", "COPY", "RUN", "LABEL", "ENV", "USER", "WORKDIR", "STOPSIGNAL", "ENTRYPOINT", "CMD"];
  for (const line of lines) expect(known).toContain(line.split(" ")[0]);
  for (const image of of("FROM")) expect(image).toMatch(/^[\w/.-]+:(?!latest)[\w.-]+( AS \w+)?$/);
  for (const form of [...of("ENTRYPOINT"), ...of("CMD")])
    expect(JSON.parse(form)).toEqual([expect.any(String)]);
  const user = /^(\d+):\d+$/.exec(of("USER").at(-1) ?? "")?.[1];
  expect(Number(user)).toBeGreaterThan(0);
  expect(lines.findIndex((line) => line.startsWith("USER"))).toBeGreaterThan(
    lines.findLastIndex((line) => /^(RUN|COPY)/.test(line)),
  );
  const copied = of("COPY").filter((source) => !source.startsWith("--from"));
  expect(copied.map((source) => source.split(" ")[0])).toEqual([tarball]);
  expect(of("STOPSIGNAL")).toEqual(["SIGTERM"]);
  // hadolint itself, where there is one.
  const { error, status, stdout } = spawnSync("hadolint", [join(out, "Dockerfile")], { encoding: "utf8" });
  if (error) console.log("not checked: the Dockerfile by hadolint (not on PATH)");
  else expect(status, stdout).toBe(0);
});

/** As in a container: the first process, another user, a root that nobody can write, the program at a place of its own. */
const CONTAINER = [
  "unshare",
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
  "sh",
  "-c",
] as const;
const SCRIPT = `mount --bind "$1" /mnt && mount -o remount,bind,ro / && cd / && shift &&
  exec setpriv --reuid 1000 --regid 1000 --clear-groups ${process.execPath} "$@"`;
const contained =
  spawnSync(CONTAINER[0], [...CONTAINER.slice(1), SCRIPT, "sh", "/", "--version"]).status === 0;
if (!contained) console.log("not run: streamctl as in a container (needs the rights to unshare and mount)");

test.skipIf(!contained)(
  "as the first process of a container it hears SIGTERM, and lets a handler finish",
  async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "*", "a", "1");
    const folder = await temporaryFolder();
    await run("tar", ["-xzf", join(out, tarball), "-C", folder, "--no-same-permissions"]);
    const handler = "echo begun; sleep 1; echo finished";
    const worker = ["consume", key, "-g", "g", "--create-group", "--exec", handler];
    const started = new BinRun(["/mnt/bin/streamctl.js", ...worker], {
      program: [...CONTAINER, SCRIPT, "sh", join(folder, "package")],
      env: { HOME: "/nonexistent" },
    });
    await until("the handler runs", () => started.stdout.includes("begun"));
    const processes = await started.processes();
    const main = processes.find(
      ({ pid, command }) => pid !== started.pid && command.includes(`consume ${key}`),
    );
    process.kill(main?.pid ?? 0, "SIGTERM");
    const { code, stdout, stderr } = await started.done;
    expect(code, stderr).toBe(0);
    expect(stdout).toBe("begun\nfinished\n");
    expect((await redis.xpending(key, "g"))[0]).toBe(0);
  },
);
