// Leaves out of the bundle what streamctl never uses of ioredis, which is half the time it takes to load.
import { readFileSync } from "node:fs";

/** Commands besides those of streams that ioredis or streamctl send. */
const COMMANDS = new Set(
  `acl asking auth client cluster command config del discard eval evalsha exec exists expire function get hello
  info memory mget multi object ping psubscribe quit readonly readwrite role scan script select set ssubscribe subscribe
  sunsubscribe time type unsubscribe punsubscribe`.split(/\s+/),
);

const TLS = 'const tls_1 = require("tls");';

/** Modules that take the place of others, as CommonJS. */
const STAND_INS = new Map([
  ["\0ioredis", 'exports.Redis = require("ioredis/built/Redis.js").default;'],
  ["\0ioredis/cluster", 'exports.Cluster = require("ioredis/built/cluster/index.js").default;'],
  ["\0no-cluster", "exports.default = undefined;"],
  ["\0no-debug", "exports.default = () => Object.assign(() => {}, { enabled: false });"],
]);

/**
 * - commands.json: ioredis makes six methods for each of 300 commands. One that is left out can still be
 *   called; in a cluster it just reaches the right node by way of another.
 * - The class Cluster is loaded by src/redis/ioredis-cluster.ts alone. Redis loads it to have it as
 *   `Redis.Cluster`, which nothing here reads.
 * - tls is loaded when a connection needs it.
 * - debug looks for a terminal and for more packages, to print what nobody asks for.
 *
 * @returns {import("rolldown").Plugin}
 */
export function slimIoredis() {
  return {
    name: "slim-ioredis",
    resolveId(source, importer = "") {
      if (source === "ioredis") return importer.endsWith("-cluster.ts") ? "\0ioredis/cluster" : "\0ioredis";
      if (source === "./cluster" && importer.endsWith("/ioredis/built/Redis.js")) return "\0no-cluster";
      if (source === "debug" && importer.includes("/ioredis/")) return "\0no-debug";
      return undefined;
    },
    transform(code, id) {
      if (!/\/ioredis\/built\/connectors\/(StandaloneConnector|SentinelConnector\/index)\.js$/.test(id))
        return undefined;
      if (!code.includes(TLS)) throw new Error(`${id} loads tls in another way than expected`);
      return code.replace(TLS, 'const tls_1 = { connect: (options) => require("tls").connect(options) };');
    },
    load(id) {
      if (STAND_INS.has(id)) return STAND_INS.get(id);
      if (!id.endsWith("/@ioredis/commands/built/commands.json")) return undefined;
      const all = Object.entries(JSON.parse(readFileSync(id, "utf8")));
      const kept = all.filter(([name]) => name.startsWith("x") || COMMANDS.has(name));
      return { code: JSON.stringify(Object.fromEntries(kept)), moduleType: "json" };
    },
  };
}
