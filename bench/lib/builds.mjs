// Another state of this repository, built beside it.
import { execFile } from "node:child_process";
import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const root = new URL("../..", import.meta.url).pathname;

/**
 * Builds a commit in a work tree of its own under `tmp`, with its own dependencies where its lock differs.
 * @returns {Promise<{name: string, streamctl: string[], remove: () => Promise<void>}>}
 */
export async function buildCommit(commit, tmp) {
  const git = async (...args) => (await execute("git", ["-C", root, ...args])).stdout.trim();
  const name = await git("rev-parse", "--short", "--verify", `${commit}^{commit}`);
  const folder = join(tmp, `build-${name}`);
  await git("worktree", "add", "--quiet", "--detach", folder, name);
  const remove = () => git("worktree", "remove", "--force", folder);
  try {
    const lock = (place) => readFileSync(join(place, "package-lock.json"), "utf8");
    if (lock(folder) === lock(root)) symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    else await execute("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder });
    await execute("npm", ["run", "build", "--silent"], { cwd: folder });
    return { name, streamctl: [process.execPath, join(folder, "bin/streamctl.js")], remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What this work tree is at; with a plus sign when something in it is not committed. */
export async function describeWorkTree() {
  const git = async (...args) => (await execute("git", ["-C", root, ...args])).stdout.trim();
  const changed = (await git("status", "--porcelain", "--", "src", "bin", "scripts")) !== "";
  return `${await git("rev-parse", "--short", "HEAD")}${changed ? "+" : ""}`;
}
