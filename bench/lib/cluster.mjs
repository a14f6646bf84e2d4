// A cluster of real processes for what partitions are spread over.
import { freePort, startSandbox } from "./tools.mjs";
import { run } from "./measure.mjs";

/** The cluster bus listens 10,000 above, which must be a port, too. */
const LAST_PORT = 55_000;

/** Primaries without replicas, each with an equal share of the slots. */
export async function startCluster(tools, count) {
  const nodes = [];
  const stop = () => Promise.all(nodes.map((node) => node.stop()));
  try {
    while (nodes.length < count) {
      const port = await freePort();
      if (port > LAST_PORT) continue;
      const args = ["--listen", String(port), "--set", "cluster-enabled=yes"];
      nodes.push(await startSandbox({ ...process.env, STREAMCTL_REDIS_SERVER: tools.server }, args));
    }
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    await run(tools.redisCli, ["--cluster", "create", ...addresses, "--cluster-yes"]);
    return { nodes, url: nodes[0].url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Leaves nothing on any node. */
export async function emptyCluster(tools, { nodes }) {
  for (const { url } of nodes) await run(tools.redisCli, ["-u", url, "FLUSHALL"]);
}

/** CPU time of each node until now, in ms. */
export async function cpuOf(tools, { nodes }) {
  const all = [];
  for (const { url } of nodes) {
    const { stdout } = await run(tools.redisCli, ["-u", url, "INFO", "cpu"]);
    const seconds = ["used_cpu_user", "used_cpu_sys"].map((name) =>
      Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(stdout)?.[1]),
    );
    all.push((seconds[0] + seconds[1]) * 1_000);
  }
  return all;
}
