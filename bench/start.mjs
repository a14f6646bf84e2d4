// P6: what starting costs, against starting Node itself.
import { compare, run } from "./lib/measure.mjs";

const RUNS = 10;

export async function bench(tools) {
  await run(tools.redisCli, ["-u", tools.redisUrl, "XADD", "bench:start", "*", "a", "1"]);
  await run(tools.redisCli, ["-u", tools.redisUrl, "XGROUP", "CREATE", "bench:start", "g", "0"]);
  const [node, bin] = tools.streamctl;
  const wall = async (args) => (await run(node, args)).ms;
  const measure = (name, goal, ...args) =>
    compare({
      id: "P6",
      name: `${name}, against node -e 0`,
      goal,
      atMost: true,
      unit: "ms",
      pairs: RUNS,
      ours: () => wall([bin, ...args]),
      peer: () => wall(["-e", "0"]),
    });
  return [
    await measure("streamctl lag", 2, "lag", "bench:start", "-u", tools.redisUrl),
    await measure("streamctl --version", 1.5, "--version"),
    await measure("names for Tab", 2, "__complete", "--", `streamctl -u ${tools.redisUrl} consume bench:`),
    await measure("flags for Tab", 2, "__complete", "--", "streamctl lag --"),
  ];
}
