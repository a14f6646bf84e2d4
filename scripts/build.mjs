// Bundles src/ into dist/: ES modules, split so that a command loads only what it uses.
// Packages stay outside the bundle except those that start-up always needs (see docs/design.md).
import { rmSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url).pathname;
rmSync(`${root}dist`, { recursive: true, force: true });

await build({
  absWorkingDir: root,
  entryPoints: { main: "src/main.ts" },
  outdir: "dist",
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
});
