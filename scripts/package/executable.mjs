// The program and Node in one executable file, for machines without Node. bin/start.js is its main script, with the
// chunks of dist/ as assets: it keeps compiled code in the same way as the program that npm installs.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fetchNode } from "../lib/nodes.mjs";
import { run } from "../lib/cache.mjs";
import { manifest, put, replaceOne, root } from "./common.mjs";

/** The Node that is in the executables: the newest that npm has for both, in packages that hold Node's own builds. */
const NODE = "26.10.0";
const INTEGRITY = {
  x64: "sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
  arm64: "sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
};

const ARCHITECTURES = Object.keys(INTEGRITY);

/** The executable's name in the folder of artefacts. */
export function executableName(arch) {
  return `streamctl-${manifest.version}-linux-${arch}`;
}

/** Builds one for every architecture, on Linux x64: only Node itself builds them, and it has to run. */
export function buildExecutables(out) {
  const builder = nodeFor("x64").executable;
  const work = mkdtempSync(join(out, "sea-"));
  try {
    put(join(work, "main.cjs"), mainScript());
    for (const arch of ARCHITECTURES) {
      const name = executableName(arch);
      const config = {
        // Relative, for the path is kept in the executable.
        main: "main.cjs",
        output: name,
        executable: nodeFor(arch).executable,
        disableExperimentalSEAWarning: true,
        assets: assets(),
      };
      put(join(work, "sea.json"), JSON.stringify(config));
      run(builder, ["--build-sea", "sea.json"], { cwd: work });
      chmodSync(join(work, name), 0o755);
      renameSync(join(work, name), join(out, name));
    }
  } finally {
    rmSync(work, { recursive: true });
  }
  const parts = [
    readFileSync(`${root}LICENSE`, "utf8"),
    readFileSync(`${root}dist/LICENSES`, "utf8"),
    `## Node.js ${NODE}\n`,
    readFileSync(nodeFor("x64").license, "utf8"),
  ];
  put(join(out, "LICENSES-executables"), parts.join("\n"));
}

/** bin/start.js, reading what it reads from the executable. */
function mainScript() {
  let text = readFileSync(`${root}bin/start.js`, "utf8");
  text = replaceOne(
    text,
    'const vm = require("node:vm");',
    'const vm = require("node:vm");\nconst { getRawAsset } = require("node:sea");',
  );
  text = replaceOne(
    text,
    'fs.readFileSync(filename, "latin1")',
    "Buffer.from(getRawAsset(filename.slice(dist.length))).latin1Slice()",
  );
  return replaceOne(text, 'require("../package.json").version', JSON.stringify(manifest.version));
}

function assets() {
  const names = [
    "main.cjs",
    ...readdirSync(`${root}dist/chunks`)
      .sort()
      .map((name) => `chunks/${name}`),
  ];
  return Object.fromEntries(names.map((name) => [name, `${root}dist/${name}`]));
}

/** Where that Node's executable and licence are. */
export function nodeFor(arch) {
  return fetchNode(NODE, { platform: `linux-${arch}`, integrity: INTEGRITY[arch] });
}
