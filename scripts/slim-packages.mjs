// Leaves out of the bundle, or loads later, what streamctl hardly ever uses of ioredis and commander. What each
// step gives is measured in docs/design.md, "Start-up"; one that gives nothing any more has to go.
import { readFileSync } from "node:fs";

/** Commands besides those of streams that ioredis or streamctl send. */
const COMMANDS = new Set(
  `acl asking auth client cluster command config del discard eval evalsha exec exists expire function get hello
  info memory mget multi object ping psubscribe quit readonly readwrite role scan script select set ssubscribe subscribe
  sunsubscribe time type unsubscribe punsubscribe`.split(/\s+/),
);

/** Parts of Node that these files load at once and need for TLS, scripts of their own and subcommands that are programs. */
const LAZY = [
  [/\/ioredis\/built\/connectors\/StandaloneConnector\.js$/, "tls_1", "tls"],
  [/\/ioredis\/built\/connectors\/SentinelConnector\/index\.js$/, "tls_1", "tls"],
  [/\/ioredis\/built\/Script\.js$/, "crypto_1", "crypto"],
  [/\/redis-errors\/lib\/modern\.js$/, "assert", "assert"],
  [/\/commander\/lib\/command\.js$/, "childProcess", "node:child_process"],
];

const COMMANDS_FILE = "/@ioredis/commands/built/commands.json";

/** Modules that take the place of others, as CommonJS. */
const STAND_INS = new Map([
  [
    "\0ioredis",
    'exports.Redis = require("ioredis/built/Redis.js").default; exports.Command = require("ioredis/built/Command.js").default;',
  ],
  ["\0ioredis/cluster", 'exports.Cluster = require("ioredis/built/cluster/index.js").default;'],
  ["\0no-cluster", "exports.default = undefined;"],
  ["\0redis-errors", 'module.exports = require("redis-errors/lib/modern.js");'],
  ["\0no-debug", "exports.default = () => Object.assign(() => {}, { enabled: false });"],
]);

/**
 * - commands.json: ioredis makes six methods for each of 300 commands. One that is left out can still be
 *   called; in a cluster it just reaches the right node by way of another.
 * - The class Cluster is loaded by src/redis/ioredis-cluster.ts alone. Redis loads it to have it as
 *   `Redis.Cluster`, which nothing here reads.
 * - Parts of Node that take long are loaded when something of them is used.
 * - debug looks for a terminal and for more packages, to print what nobody asks for.
 *
 * @returns {import("rolldown").Plugin}
 */
export function slimPackages() {
  const expected = new Set([...STAND_INS.keys(), COMMANDS_FILE, ...LAZY.map(([file]) => file)]);
  return {
    name: "slim-packages",
    resolveId(source, importer = "") {
      if (source === "ioredis") return importer.endsWith("-cluster.ts") ? "\0ioredis/cluster" : "\0ioredis";
      if (source === "./cluster" && importer.endsWith("/ioredis/built/Redis.js")) return "\0no-cluster";
      if (source === "debug" && importer.includes("/ioredis/")) return "\0no-debug";
      if (source === "redis-errors") return "\0redis-errors";
      return undefined;
    },
    transform(code, id) {
      const lazy = LAZY.find(([file]) => file.test(id));
      if (!lazy) return undefined;
      const [file, variable, module] = lazy;
      expected.delete(file);
      const eager = new RegExp(`const ${variable} = require\\(['"]${module}['"]\\);?`);
      if (!eager.test(code)) throw new Error(`${id} does not load ${module} in the way that is replaced`);
      return code.replace(eager, `const ${variable} = ${late(module)};`);
    },
    buildEnd(error) {
      if (error || expected.size === 0) return;
      throw new Error(
        `packages no longer have what is replaced in them: ${[...expected].map((one) => String(one).replace("\0", "")).join(", ")}`,
      );
    },
    renderChunk: (code) =>
      code.replace(LATE_REQUIRE, (_, variable, part) => `let ${variable} = ${late(`node:${part}`)};`),
    load(id) {
      if (STAND_INS.has(id)) {
        expected.delete(id);
        return STAND_INS.get(id);
      }
      if (!id.endsWith(COMMANDS_FILE)) return undefined;
      expected.delete(COMMANDS_FILE);
      const all = Object.entries(JSON.parse(readFileSync(id, "utf8")));
      const kept = all.filter(([name]) => name.startsWith("x") || COMMANDS.has(name));
      return { code: JSON.stringify(Object.fromEntries(kept)), moduleType: "json" };
    },
  };
}

/** Parts of Node that take long to load and are needed by few runs, or late. */
const LATE = ["child_process", "crypto", "fs/promises", "string_decoder", "tty", "zlib"];

/** Those of them whose exports a chunk reads where it uses them, not all at once. */
const LATE_REQUIRE = new RegExp(
  `^let (\\w+) = require\\("node:(${LATE.join("|")})"\\);$(?![^]*^\\1 = )`,
  "gm",
);

function late(module) {
  return `new Proxy(() => {}, { get: (_, name) => require("${module}")[name], apply: (_, that, args) => require("${module}")(...args) })`;
}
