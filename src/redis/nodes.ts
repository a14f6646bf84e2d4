import type { Socket } from "node:net";
import type { Cluster, Redis } from "ioredis";
import { SilenceWatch } from "./silence.ts";

/** Internals of ioredis: the socket of the moment, what was sent over it, and what waits for it. */
interface Internals {
  readonly stream?: Socket;
  readonly commandQueue: { readonly length: number };
  readonly offlineQueue: { readonly length: number };
}

export function socketOf(redis: Redis): Socket | undefined {
  return (redis as unknown as Internals).stream;
}

/** A cluster node's `host:port`, as the slot table has it. */
export function addressOf(redis: Redis): string {
  return `${redis.options.host}:${redis.options.port}`;
}

/** The nodes that the slot table names; without a client for one that there is no connection to. */
export function slotOwners(cluster: Cluster): { address: string; node: Redis | undefined }[] {
  const connected = new Map(cluster.nodes("master").map((node) => [addressOf(node), node]));
  const addresses = new Set(cluster.slots.flatMap((nodes) => nodes[0] ?? []));
  return [...addresses].map((address) => ({ address, node: connected.get(address) }));
}

/** A UNIX socket has no address: it leads to the one server of this machine that the settings name. */
export function peerOf(redis: Redis): string | undefined {
  const socket = socketOf(redis);
  if (!socket || socket.destroyed) return undefined;
  return redis.options.path ?? `${socket.remoteAddress}:${socket.remotePort}`;
}

function awaitsReplies(redis: Redis): boolean {
  const { commandQueue, offlineQueue } = redis as unknown as Internals;
  return commandQueue.length + offlineQueue.length > 0;
}

/**
 * Drops the connection to a node of a cluster that owes replies and has gone silent: that one alone, the others go on.
 * The option `socketTimeout` of ioredis would also drop one that is still taking a large command.
 */
export class NodeWatch {
  readonly #watches = new Map<Redis, SilenceWatch>();

  /** `limitMs` 0: never. */
  constructor(cluster: Cluster, limitMs: number) {
    if (limitMs <= 0) return;
    cluster.on("+node", (node: Redis) => this.#watch(node, limitMs));
    cluster.on("-node", (node: Redis) => {
      this.#watches.get(node)?.stop();
      this.#watches.delete(node);
    });
  }

  stop(): void {
    for (const watch of this.#watches.values()) watch.stop();
    this.#watches.clear();
  }

  #watch(node: Redis, limitMs: number): void {
    const sockets = (): Socket[] => [socketOf(node) ?? []].flat();
    const onSilent = (): void => {
      for (const socket of sockets()) socket.destroy(new Error(`no answer for ${limitMs} ms`));
    };
    const waits = (): boolean => awaitsReplies(node);
    this.#watches.set(node, new SilenceWatch({ sockets, limitMs, waits, onSilent }));
  }
}
