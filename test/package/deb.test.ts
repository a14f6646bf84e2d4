import { execFile, spawnSync } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { bin } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";

const run = promisify(execFile);
const deb = join(inject("artifacts"), `streamctl_${manifest.version}_all.deb`);
const built = await access(deb).then(
  () => true,
  () => false,
);
if (!built) console.log("not run: the tests of the .deb, which could not be built (needs dpkg-deb)");
const asRoot = process.getuid?.() === 0;
if (built && !asRoot) console.log("not run: installing the .deb into a folder (dpkg needs root)");

/** A system of its own, as far as dpkg can tell, that has this Node and nothing else. */
async function system(
  node = process.versions.node,
): Promise<{ root: string; dpkg: (...args: string[]) => Promise<unknown> }> {
  const root = await mkdtemp(join(tmpdir(), "system-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const state = join(root, "var", "lib", "dpkg");
  for (const folder of ["info", "updates", "triggers"]) await mkdir(join(state, folder), { recursive: true });
  await writeFile(
    join(state, "status"),
    `Package: nodejs\nStatus: install ok installed\nArchitecture: all\nVersion: ${node}\nMaintainer: test <test@example.com>\nDescription: Node\n\n`,
  );
  await writeFile(join(state, "info", "nodejs.list"), "/.\n");
  return {
    root,
    dpkg: (...args) =>
      run("dpkg", [`--root=${root}`, "--force-script-chrootless", "--log=/dev/null", ...args]),
  };
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length));
}

describe.skipIf(!built)("the .deb", () => {
  test("is for any architecture, runs no scripts, and all in it is root's", async () => {
    const { stdout } = await run("dpkg-deb", ["--field", deb]);
    expect(stdout).toContain("Architecture: all\n");
    expect(stdout).toMatch(/^Depends: nodejs \(>= 20\.19\)$/m);
    expect((await run("dpkg-deb", ["--info", deb])).stdout).not.toMatch(/(pre|post)(inst|rm)/);
    const listed = (await run("dpkg-deb", ["--contents", deb])).stdout.trim().split("\n");
    for (const line of listed)
      expect(line).toMatch(/^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x|lrwxrwxrwx) root\/root /);
  });

  test.skipIf(!asRoot)("installs, runs, and leaves nothing when it is removed", async () => {
    const { root, dpkg } = await system();
    await dpkg("--install", deb);
    const program = join(root, "usr", "bin", "streamctl");
    expect(await bin(["--version"], { program: [program] })).toMatchObject({
      code: 0,
      stdout: `${manifest.version}\n`,
      stderr: "",
    });
    expect(await bin(["sandbox", "--", "echo", "ran"], { program: [program] })).toMatchObject({
      code: 0,
      stdout: "ran\n",
    });
    const files = await filesIn(root);
    for (const path of [
      "/usr/share/man/man1/streamctl.1.gz",
      "/usr/share/man/man1/streamctl-dlq-replay.1.gz",
      "/usr/share/man/man7/streamctl-exec.7.gz",
      "/usr/share/bash-completion/completions/streamctl",
      "/usr/share/zsh/vendor-completions/_streamctl",
      "/usr/share/fish/vendor_completions.d/streamctl.fish",
      "/usr/lib/systemd/system/streamctl-worker@.service",
      "/usr/share/doc/streamctl/copyright",
      "/usr/share/doc/streamctl/docs/worker.md",
      "/usr/share/doc/streamctl/examples/kubernetes/worker.yaml",
    ])
      expect(files).toContain(path);
    expect((await run("dpkg", [`--root=${root}`, "--verify", "streamctl"])).stdout).toBe("");
    await dpkg("--remove", "streamctl");
    expect((await filesIn(root)).filter((file) => file.startsWith("/usr"))).toEqual([]);
  });

  test.skipIf(!asRoot)("is refused where Node is too old", async () => {
    const { dpkg } = await system("20.18.3");
    await expect(dpkg("--install", deb)).rejects.toThrow(/depends on nodejs \(>= 20\.19\)/);
  });

  test("has a unit whose worker does what its variables say, and which systemd takes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "unit-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await run("dpkg-deb", ["--extract", deb, folder]);
    const path = join(folder, "usr", "lib", "systemd", "system", "streamctl-worker@.service");
    const unit = await readFile(path, "utf8");
    const [, line = ""] = /^ExecStart=\/usr\/bin\/streamctl (.*)$/m.exec(unit) ?? [];
    const redis = rawRedis();
    const [orders, refunds] = [uniqueKey(), uniqueKey()];
    for (const key of [orders, refunds]) await redis.xadd(key, "1-1", "a", "1");
    // As systemd replaces them: the first is split at spaces, the second is one word.
    const words = line.split(" ").flatMap((word) => {
      if (word === "$STREAMS") return [orders, refunds];
      return [word === "${HANDLER}" ? "cat > /dev/null" : word];
    });
    const env = { STREAMCTL_GROUP: "billing", STREAMCTL_JOBS: "2", STREAMCTL_UNTIL_EMPTY: "true" };
    const worker = await bin(words, { env });
    expect(worker.code, worker.stderr).toBe(0);
    for (const key of [orders, refunds]) {
      const [group] = (await redis.xinfo("GROUPS", key)) as unknown[][];
      expect(group).toEqual(expect.arrayContaining(["billing", "1-1"]));
      expect((await redis.xpending(key, "billing"))[0]).toBe(0);
    }
    const { error, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], {
      encoding: "utf8",
    });
    // The machine that tests need not have streamctl.
    const said = (stderr ?? "")
      .split("\n")
      .filter((each) => /streamctl-worker(?!.* is not executable: )/.test(each));
    if (error) console.log("not checked: the unit by systemd-analyze (not on PATH)");
    else expect(said).toEqual([]);
  });
});
