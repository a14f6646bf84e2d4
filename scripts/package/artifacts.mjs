// Everything that people install, in one folder. What is in it depends on nothing but the sources: two builds are equal.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildDeb } from "./deb.mjs";
import { buildExecutables } from "./executable.mjs";
import { run } from "../lib/cache.mjs";
import { manifest, put, root } from "./common.mjs";
import { writeDockerfile } from "./image.mjs";
import { writeFormula } from "./formula.mjs";

/**
 * Puts the artefacts of the built program into `out`, which is as it was until all of them are there.
 *
 * @param {string} out
 * @param {{ executables: boolean }} options
 * @returns {string[]} why some could not be built here
 */
export function buildArtifacts(out, { executables }) {
  const missing = [];
  const building = `${out}.${process.pid}`;
  mkdirSync(building, { recursive: true });
  try {
    const tarball = `streamctl-${manifest.version}.tgz`;
    pack(building);
    writeDockerfile(tarball, building);
    writeFormula(tarball, building);
    if (hasDpkg()) buildDeb(join(building, tarball), building);
    else missing.push("the .deb: no dpkg-deb on PATH");
    if (executables && process.platform === "linux" && process.arch === "x64") buildExecutables(building);
    else missing.push(`the executables: ${executables ? "they are built on Linux x64" : "left out"}`);
    const sums = readdirSync(building)
      .sort()
      .map(
        (name) =>
          `${createHash("sha256")
            .update(readFileSync(join(building, name)))
            .digest("hex")}  ${name}\n`,
      );
    put(join(building, "SHA256SUMS"), sums.join(""));
    rmSync(out, { recursive: true, force: true });
    renameSync(building, out);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return missing;
}

/** npm keeps the modes of files, which are those of this checkout and user. */
function pack(out) {
  const npmPack = (...args) => run("npm", ["pack", "--ignore-scripts", "--silent", ...args], { cwd: root });
  const [{ files }] = JSON.parse(npmPack("--dry-run", "--json"));
  const work = mkdtempSync(join(out, "pack-"));
  for (const { path } of files)
    put(join(work, path), readFileSync(join(root, path)), path === manifest.bin.streamctl ? 0o755 : 0o644);
  npmPack(work, "--pack-destination", out);
  rmSync(work, { recursive: true });
}

function hasDpkg() {
  try {
    run("dpkg-deb", ["--version"]);
    return true;
  } catch {
    return false;
  }
}
