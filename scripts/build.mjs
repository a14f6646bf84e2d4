// Bundles src/ into dist/: ES modules, split so that a command loads only what it uses, in few files. Every
// file costs about half a millisecond to find, read and link, however small it is.
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { rolldown } from "rolldown";
import { licensesOf } from "./licenses.mjs";
import { slimPackages } from "./slim-packages.mjs";

const root = new URL("..", import.meta.url).pathname;
// The old program stays until the new one is there: a failed build breaks nobody.
const building = `${root}dist.${process.pid}`;

/**
 * What nearly every run loads, in this order. A module goes with the first of them that imports it
 * statically: whatever comes later finds it loaded.
 */
const STAGES = [
  { name: "main", modules: ["src/main.ts"] },
  { name: "run", modules: ["src/run.ts", "src/commands/lag/lag-run.ts"] },
  { name: "redis", modules: ["src/config/secrets.ts", "src/redis/connection.ts"] },
  { name: "look", modules: ["src/commands/lag/print.ts", "src/commands/ls-run.ts"] },
  { name: "commands", modules: ["src/commands/all.ts"] },
];

/** Parts of Node that are there anyway once a connection is made. */
const LIGHT = new Set(["node:buffer", "node:crypto", "node:events", "node:path"]);

/** A text of bytes is read faster, and takes half the room, of one that has any other character. */
const ascii = {
  name: "ascii",
  generateBundle(_, chunks) {
    for (const chunk of Object.values(chunks))
      chunk.code = chunk.code.replace(
        /[^\0-\x7f]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
      );
  },
};

/** Code that V8 kept can't import: what stays outside of the bundle is required when it is needed. */
const noImports = {
  name: "no-imports",
  generateBundle(_, chunks) {
    for (const chunk of Object.values(chunks))
      chunk.code = chunk.code.replace(/\bimport\(("[^"]+")\)/g, "Promise.resolve().then(() => require($1))");
  },
};

try {
  const bundle = await rolldown({
    cwd: root,
    input: { main: "src/main.ts" },
    platform: "node",
    external: ["testcontainers"],
    // Paths of packages stand in the bundle: they are the same where node_modules is a link.
    resolve: { symlinks: false },
    transform: { target: "node20.19" },
    preserveEntrySignatures: "allow-extension",
    plugins: [slimPackages(), noImports, ascii],
    onwarn(warning, warn) {
      // A module may be lazy for one command and needed at once by another.
      if (warning.code !== "INEFFECTIVE_DYNAMIC_IMPORT") warn(warning);
    },
  });
  const { output } = await bundle.write({
    dir: building,
    format: "cjs",
    // What bin/start.js evaluates.
    postBanner: "(function (exports, require, module) {",
    postFooter: "})",
    entryFileNames: "[name].cjs",
    comments: { legal: true, annotation: false, jsdoc: false },
    chunkFileNames: "chunks/[name]-[hash].cjs",
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        { debugName: "stages", name: stageNames(), priority: 2 },
        // What several commands have in common; what brings a package or much of Node stays on its own.
        {
          debugName: "common",
          name: (id, context) => (isLight(context.getModuleInfo(id)) ? "common" : null),
          minShareCount: 2,
          priority: 1,
        },
      ],
    },
  });
  await bundle.close();
  writeFileSync(`${building}/LICENSES`, licensesOf(output.flatMap(({ moduleIds = [] }) => moduleIds)));
} catch (error) {
  rmSync(building, { recursive: true, force: true });
  console.error(error.message);
  process.exit(1);
}

rmSync(`${root}dist`, { recursive: true, force: true });
renameSync(building, `${root}dist`);

/** Maps a module to the stage it is loaded in; null for what no stage imports statically. */
function stageNames() {
  let stageOf;
  return (id, context) => {
    stageOf ??= findStages(context);
    return stageOf.get(id) ?? null;
  };
}

function findStages(context) {
  const stageOf = new Map();
  const shared = sharedByCommands(context);
  for (const { name, modules } of STAGES) {
    for (const id of staticImports(context, modules)) if (!stageOf.has(id)) stageOf.set(id, name);
    if (name === "run") for (const id of shared) if (!stageOf.has(id)) stageOf.set(id, name);
  }
  return stageOf;
}

/** What defining commands and a later stage both need: in that stage it would make `--help` load Redis. */
function sharedByCommands(context) {
  const [commands, ...others] = STAGES.toReversed().map(({ modules }) => staticImports(context, modules));
  return [...commands].filter((id) => others.some((ids) => ids.has(id)));
}

/** The modules and all that they import statically. */
function staticImports(context, modules) {
  const found = new Set();
  const visit = (id) => {
    if (found.has(id)) return;
    found.add(id);
    context.getModuleInfo(id)?.importedIds.forEach(visit);
  };
  for (const module of modules) visit(root + module);
  return found;
}

function isLight({ id, importedIds }) {
  return [id, ...importedIds].every((one) => one.startsWith(`${root}src/`) || LIGHT.has(one));
}
