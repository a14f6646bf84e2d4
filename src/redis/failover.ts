import type { Cluster, Redis } from "ioredis";

/**
 * Sentinel says that it begins a failover some 100 ms before it promotes a replica, and that the master has switched
 * only when the others follow the new one, which takes a second and more. What the old master is given in between is
 * lost, although it answers: acks, so that entries run twice.
 */
const BEGUN = "+try-failover";
const SWITCHED = "+switch-master";
const PROMOTED = ["+promoted-slave", SWITCHED];
const ABORTED = [
  "-failover-abort-not-elected",
  "-failover-abort-no-good-slave",
  "-failover-abort-slave-timeout",
  "-failover-abort-x-sdown",
];

/** A failover that has not come so far by then is not waited for: the master is as good as it was. */
const HOLD_MS = 10_000;
/** A Sentinel that has not heard of the new master names the old one for so long. */
const STALE_MS = 5_000;

/** What is known of a failover of the one master that a run uses. */
export class Failover {
  readonly #master: string;
  /** The `address:port` of the connection in use. */
  readonly #peer: () => string | undefined;
  #old: string | undefined;
  #holdUntil = 0;
  #staleUntil = 0;

  constructor(master: string, peer: () => string | undefined) {
    this.#master = master;
    this.#peer = peer;
  }

  /** True while nothing may be sent to the master at the other end of `peer`: what it did would be lost. */
  forbids(peer: string | undefined): boolean {
    return performance.now() < this.#holdUntil || this.isOld(peer);
  }

  /** True when a failover is over, and this is the master that it replaced. */
  isOld(peer: string | undefined): boolean {
    const now = performance.now();
    return now >= this.#holdUntil && now < this.#staleUntil && peer !== undefined && peer === this.#old;
  }

  heard(channel: string, message: string): void {
    if (masterOf(channel, message) !== this.#master) return;
    const now = performance.now();
    if (channel === BEGUN) {
      if (now >= this.#holdUntil) this.#old = this.#peer();
      this.#holdUntil = now + HOLD_MS;
    } else if (PROMOTED.includes(channel)) {
      if (now < this.#holdUntil) this.#staleUntil = now + STALE_MS;
      this.#holdUntil = 0;
    } else this.#holdUntil = 0;
  }
}

/** What a message is about: `master NAME IP PORT`, `slave … @ NAME IP PORT`, or `NAME OLD-IP PORT NEW-IP PORT`. */
function masterOf(channel: string, message: string): string | undefined {
  const words = message.split(" ");
  if (channel === SWITCHED) return words[0];
  const at = words.indexOf("@");
  return words[at < 0 ? 1 : at + 1];
}

interface Connector {
  connectToSentinel?: (...args: unknown[]) => Redis;
  initFailoverDetector?: () => Promise<void>;
  readonly failoverDetector?: { readonly sentinels: readonly { readonly client: Redis }[] };
}

/** Hears why Sentinels can't be reached, which ioredis keeps to itself. */
export function hearSentinelErrors(redis: Redis | Cluster, heard: (error: unknown) => void): void {
  const { connector } = redis as unknown as { connector?: Connector };
  const connectToSentinel = connector?.connectToSentinel;
  if (!connector || !connectToSentinel) return;
  connector.connectToSentinel = (...args) => {
    const client = connectToSentinel.apply(connector, args);
    client.on("error", heard);
    return client;
  };
}

/**
 * Hears on the connections that ioredis has to the Sentinels for +switch-master (`failoverDetector`) what else they
 * say. Depends on internals of ioredis, and a test pins them.
 */
export function hearSentinels(redis: Redis, heard: (channel: string, message: string) => void): void {
  const { connector } = redis as unknown as { connector: Connector };
  const { initFailoverDetector } = connector;
  if (!initFailoverDetector) return;
  connector.initFailoverDetector = () => {
    const done = initFailoverDetector.call(connector);
    for (const { client } of connector.failoverDetector?.sentinels ?? []) {
      client.on("message", heard);
      client.subscribe(BEGUN, ...PROMOTED, ...ABORTED).catch(() => {});
    }
    return done;
  };
}
