// P6: what starting costs, against starting Node itself, on each Node that people have.
import { findNode } from "../scripts/lib/nodes.mjs";
import { compare, run } from "./lib/measure.mjs";
import { redis } from "./lib/redis.mjs";

const RUNS = 15;
const NODES = [20, 24];
const STREAM = "bench:start";

export async function bench(tools) {
  await redis(tools, "XADD", STREAM, "*", "a", "1");
  await redis(tools, "XGROUP", "CREATE", STREAM, "g", "0");
  for (const version of NODES) {
    const node = findNode(String(version));
    if (node !== undefined) await measureOn(tools, version, node.executable);
  }
  await redis(tools, "DEL", STREAM);
}

async function measureOn(tools, version, node) {
  const wall = async (args) => (await run(node, args)).ms;
  const measure = async (name, now, further, ...args) => {
    // What a first start leaves behind, such as compiled code, is there for all others.
    for (const { 1: bin } of [tools.streamctl, tools.against ?? tools.streamctl]) await wall([bin, ...args]);
    await compare(tools, {
      id: "P6",
      name: `${name} on Node ${version}, against node -e 0`,
      now,
      further,
      atMost: true,
      unit: "ms",
      pairs: RUNS,
      ours: ([, bin]) => wall([bin, ...args]),
      peer: () => wall(["-e", "0"]),
    });
  };
  const redisAt = ["-u", tools.redisUrl];
  await measure("streamctl --version", 1.2, undefined, "--version");
  await measure("streamctl --help", 1.6, 1.3, "--help");
  await measure("streamctl lag", 2, 1.3, "lag", STREAM, ...redisAt);
  await measure("names for Tab", 2, 1.3, "__complete", "--", `streamctl ${redisAt.join(" ")} consume bench:`);
  await measure("flags for Tab", 2, 1.3, "__complete", "--", "streamctl lag --");
}
