import type { Redis } from "ioredis";
import { readPage, tableBelow } from "./pages.ts";

interface Feature {
  /** What stands in the file that docs/servers.md names for it. */
  readonly word: string;
  /** Whether a server has it. `key` is free. */
  readonly probe: (redis: Redis, key: string) => Promise<boolean>;
}

/** By the name that docs/servers.md has for it. */
export const FEATURES: Readonly<Record<string, Feature>> = {
  "`XADD … NOMKSTREAM`": {
    word: "NOMKSTREAM",
    probe: (redis, key) => takes(redis, "XADD", key, "NOMKSTREAM", "*", "a", "1"),
  },
  "`XADD … MINID`": {
    word: "MINID",
    probe: (redis, key) => takes(redis, "XADD", key, "MINID", "~", "0", "*", "a", "1"),
  },
  "`XTRIM … MINID`": {
    word: "'XTRIM', KEYS[1], 'MINID'",
    probe: async (redis, key) => {
      await redis.xadd(key, "*", "a", "1");
      return takes(redis, "XTRIM", key, "MINID", "~", "0", "LIMIT", "10");
    },
  },
  "`XADD` with `<ms>-*`": {
    word: "<ms>-*",
    probe: (redis, key) => takes(redis, "XADD", key, "5-*", "a", "1"),
  },
  "`entries-added` in `XINFO STREAM`": {
    word: "entries-added",
    probe: async (redis, key) => {
      await redis.xadd(key, "*", "a", "1");
      return ((await redis.xinfo("STREAM", key)) as unknown[]).includes("entries-added");
    },
  },
  "`XCLAIM` clears what has no data": {
    word: "'XACK'",
    probe: async (redis, key) => {
      await withPending(redis, key);
      await redis.xdel(key, "1-0");
      await redis.xclaim(key, "g", "c", 0, "1-0", "JUSTID");
      return (await redis.xpending(key, "g", "-", "+", 1)).length === 0;
    },
  },
  "`ACL DRYRUN`": {
    word: "ACL DRYRUN",
    probe: (redis) => takes(redis, "ACL", "DRYRUN", "default", "PING"),
  },
  "`server_time_usec` in `INFO`": {
    word: "server_time_usec",
    probe: async (redis) => /^server_time_usec:/m.test(await redis.info("server")),
  },
  "`inactive` in `XINFO CONSUMERS`": {
    word: "facts['inactive']",
    probe: async (redis, key) => {
      await withPending(redis, key);
      const [consumer] = (await redis.xinfo("CONSUMERS", key, "g")) as unknown[][];
      return consumer?.includes("inactive") === true;
    },
  },
  "`XACKDEL`": { word: "'XACKDEL'", probe: (redis) => knows(redis, "XACKDEL") },
  "`XAUTOCLAIM`": { word: "XAUTOCLAIM", probe: (redis) => knows(redis, "XAUTOCLAIM") },
  "`XREADGROUP … CLAIM`": {
    word: "CLAIM",
    probe: async (redis, key) => {
      await withPending(redis, key);
      return takes(redis, "XREADGROUP", "GROUP", "g", "c", "CLAIM", "0", "STREAMS", key, ">");
    },
  },
  "`XADD … IDMP`": {
    word: "IDMP",
    probe: (redis, key) => takes(redis, "XADD", key, "IDMP", "p", "1", "*", "a", "1"),
  },
  "`XNACK`": { word: "XNACK", probe: (redis) => knows(redis, "XNACK") },
};

/** A row of the table of what a feature is for. */
export interface FeatureRow {
  readonly feature: string;
  /** What is done where a server lacks it. */
  readonly without: string;
  /** From src/. */
  readonly file: string;
}

/** What docs/servers.md says: which server has what, and what each is for. */
export async function serversPage(): Promise<{
  readonly servers: readonly string[];
  readonly has: ReadonlyMap<string, readonly string[]>;
  readonly uses: readonly FeatureRow[];
}> {
  const page = await readPage("docs/servers.md");
  const [[, ...servers] = [], ...rows] = tableBelow(page, "Which server has what");
  const [, ...uses] = tableBelow(page, "What it is for, and how it is done without");
  return {
    servers,
    has: new Map(rows.map(([feature = "", ...cells]) => [feature, cells])),
    uses: uses.map(([feature = "", , without = "", file = ""]) => ({
      feature,
      without,
      file: file.replaceAll("`", ""),
    })),
  };
}

/** The server's name as the page has it: `Redis 8.6`, `Valkey 9`; of the majors that it has by minor too, both. */
export async function nameOnPage(redis: Redis, servers: readonly string[]): Promise<string | undefined> {
  const info = await redis.info("server");
  const version = (field: string): string | undefined => new RegExp(`^${field}:(\\S+)`, "m").exec(info)?.[1];
  const [valkey, redict] = [version("valkey_version"), version("redict_version")];
  const name = valkey
    ? `Valkey ${valkey}`
    : redict
      ? `Redict ${redict}`
      : `Redis ${version("redis_version")}`;
  return servers.find((server) => name.startsWith(`${server}.`));
}

async function takes(redis: Redis, command: string, ...args: string[]): Promise<boolean> {
  return redis.call(command, ...args).then(
    () => true,
    () => false,
  );
}

async function knows(redis: Redis, command: string): Promise<boolean> {
  const [found] = await redis.command("INFO", command);
  return found !== null && found !== undefined;
}

/** A group with one entry pending. */
async function withPending(redis: Redis, key: string): Promise<void> {
  await redis.xadd(key, "1-0", "a", "1");
  await redis.xgroup("CREATE", key, "g", "0");
  await redis.xreadgroup("GROUP", "g", "c", "STREAMS", key, ">");
}
