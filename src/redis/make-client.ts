import type { Cluster, RedisOptions } from "ioredis";
import { ConnectionError } from "../errors.ts";
import { Client } from "./client.ts";
import { clusterOptions, nodeOptions, redisOptions } from "./client-options.ts";
import { isCluster, Redis } from "./ioredis.ts";
import { keySlot } from "./keys.ts";
import { addressOf } from "./nodes.ts";
import type { ConnectionSettings } from "./settings.ts";

/** A client that is not connected yet; connectOnce() connects it. `control`: the run's first one. */
export async function createClient(
  settings: ConnectionSettings,
  name: string,
  control?: Client,
): Promise<Client> {
  if (settings.mode !== "cluster")
    return new Client(makeRedis(redisOptions(settings, name)), settings, { failover: control?.failover });
  const { Cluster } = await import("./ioredis-cluster.ts");
  const nodes = [{ host: settings.host, port: settings.port }];
  return new Client(new Cluster(nodes, clusterOptions(settings, name)), settings);
}

/** One more client for a single connection, to the node that holds `key`. Not connected yet. */
export function clientForKey(
  control: Client,
  settings: ConnectionSettings,
  name: string,
  key: string,
): { client: Client; address: string | undefined } {
  const { raw } = control;
  if (!isCluster(raw)) {
    const redis = makeRedis({ ...redisOptions(settings, name), retryStrategy: null });
    return { client: new Client(redis, settings, { failover: control.failover }), address: undefined };
  }
  const node = ownerOf(raw, key);
  const { host = settings.host, port = settings.port } = node.options;
  const redis = makeRedis({ ...nodeOptions(settings, name), retryStrategy: null, host, port });
  const client = new Client(redis, { ...settings, mode: "standalone", host, port }, { node: true });
  return { client, address: addressOf(node) };
}

/** The address of the node that holds `key`; undefined outside a cluster. */
export function ownerAddress(control: Client, key: string): string | undefined {
  return isCluster(control.raw) ? addressOf(ownerOf(control.raw, key)) : undefined;
}

function ownerOf(cluster: Cluster, key: string): Redis {
  const owner = cluster.slots[keySlot(key)]?.[0];
  const node = cluster.nodes("master").find((redis) => addressOf(redis) === owner);
  if (!node) {
    // The node has died or the table is stale; the next attempt finds a fresh one.
    cluster.refreshSlotsCache();
    throw new ConnectionError(`no node of the cluster serves the slot of ${key} now`);
  }
  return node;
}

function makeRedis(options: RedisOptions): Redis {
  return new Redis({ ...options, lazyConnect: true, replyMapping: "legacy" });
}
