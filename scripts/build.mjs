// Bundles src/ into dist/: ES modules, split so that a command loads only what it uses.
// Packages stay outside the bundle except those that start-up always needs (see docs/design.md).
import { renameSync, rmSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
// The old program stays until the new one is there: a failed build breaks nobody.
const building = `dist.${process.pid}`;

await build({
  absWorkingDir: root,
  entryPoints: { main: "src/main.ts" },
  outdir: building,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.20",
  packages: "bundle",
  external: ["testcontainers"],
  chunkNames: "chunks/[name]-[hash]",
  // CommonJS packages inside an ES bundle call require() for Node's own modules.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  legalComments: "external",
  logLevel: "warning",
}).catch((error) => {
  rmSync(root + building, { recursive: true, force: true });
  console.error(error.message);
  process.exit(1);
});

rmSync(`${root}dist`, { recursive: true, force: true });
renameSync(root + building, `${root}dist`);
