import { type Cluster, Command, Redis } from "ioredis";
import type { WrongServer } from "./connect-error.ts";
import { wrongServer } from "./server-name.ts";

/**
 * ioredis, kept from printing and from losing nodes: the only value import of it but for that of Cluster, which loads when there
 * is one. It makes further clients by itself (a cluster's nodes, Sentinel's watchers), so its prototype is the one place that
 * reaches them all. A test pins this.
 */
export { Command, Redis };

/** ioredis' own mark: an instanceof would have to load the class. */
export function isCluster(redis: Redis | Cluster): redis is Cluster {
  return redis.isCluster;
}

/** What each connection begins with, right behind CLIENT SETNAME. */
interface Handshake {
  /** The reply to PING. */
  readonly ping: Promise<unknown>;
  /** By what HELLO says: why this is no server for us. Emitted as an error, too. */
  readonly wrong: Promise<WrongServer | undefined>;
}

const handshakes = new WeakMap<Redis | Cluster, Handshake>();

/** What the server said in the connection's handshake; it can be had once. */
export function takeHandshake(redis: Redis | Cluster): Handshake | undefined {
  const handshake = handshakes.get(redis);
  handshakes.delete(redis);
  return handshake;
}

/** Emitted by a client whose server asks for no password although one was given. */
export const PASSWORD_UNUSED = "passwordUnused";

type Callback = (error: Error | null, reply?: unknown) => void;

interface Methods {
  readonly auth: (this: Redis, ...args: unknown[]) => Promise<unknown>;
  readonly client: (this: Redis, ...args: unknown[]) => Promise<unknown>;
  readonly cluster: (this: Redis, ...args: unknown[]) => Promise<unknown>;
  readonly silentEmit: (this: Redis, event: string, argument?: unknown) => boolean;
}

/** Which commands ioredis treats in which way. */
interface Flags {
  readonly Command: { getFlagMap(): { readonly HANDSHAKE_COMMANDS: Record<string, boolean> } };
}

const original = Redis.prototype as unknown as Methods;
const { auth, client, cluster, silentEmit } = original;

const improved: Methods = {
  /** ioredis writes a warning to the console when AUTH is refused for these reasons, and goes on. */
  auth(...args) {
    return auth.apply(this, args).catch((error: Error) => {
      if (/no password is set|without any password configured/.test(error.message)) {
        this.emit(PASSWORD_UNUSED);
        return "OK";
      }
      if (/wrong number of arguments/.test(error.message)) throw noUserNames();
      throw error;
    });
  },

  /**
   * ioredis ignores what the server says to CLIENT SETNAME, even that it has no room for one more client. PING and HELLO go with it:
   * asked when the connection is ready, they would cost each start a round trip.
   */
  client(...args) {
    if (args[0] !== "setname") return client.apply(this, args);
    this.stream?.cork();
    const reply = client.apply(this, args);
    const ping = this.ping();
    const wrong = wrongServer(this.call("HELLO", 2), () => this.info("server"));
    this.stream?.uncork();
    ping.catch(() => {});
    void wrong.then((error) => error && this.silentEmit("error", error));
    handshakes.set(this, { ping, wrong });
    reply.catch((error: Error) => {
      // AUTH, sent just before, has the better answer.
      const judged = this.options.password && error.message.startsWith("NOAUTH");
      if (error.name === "ReplyError" && !judged && !/^NOPERM|unknown command/i.test(error.message))
        this.silentEmit("error", error);
    });
    return reply;
  },

  /**
   * A node that does not know its own address (alone in its cluster, or told not to say) leaves it empty
   * in CLUSTER SLOTS: it means the address that was asked. ioredis skips such nodes.
   */
  cluster(...args) {
    const callback = args.at(-1);
    if (args[0] !== "SLOTS" || typeof callback !== "function") return cluster.apply(this, args);
    const { host } = this.options;
    const filled: Callback = (error, reply) => (callback as Callback)(error, fillHosts(reply, host));
    return cluster.apply(this, ["SLOTS", filled]);
  },

  /** ioredis prints errors that nobody listens for. */
  silentEmit(event, argument) {
    if (event === "error" && this.listenerCount("error") === 0) return false;
    return silentEmit.call(this, event, argument);
  },
};
Object.assign(Redis.prototype, improved);
// What else is sent before the handshake is over is refused.
(Redis as unknown as Flags).Command.getFlagMap().HANDSHAKE_COMMANDS["ping"] = true;

/** CLUSTER SLOTS: ranges of `[first, last, [host, port, …], …]`. */
function fillHosts(reply: unknown, host: string | undefined): unknown {
  if (!Array.isArray(reply)) return reply;
  for (const node of (reply as unknown[][]).flatMap((range) => range.slice(2) as unknown[][]))
    node[0] ||= host;
  return reply;
}

/** AUTH with a user on a server older than Redis 6, in words that end the connection instead of a warning. */
function noUserNames(): Error {
  const error = new Error("WRONGPASS this server knows passwords but no user names (Redis before 6)");
  error.name = "ReplyError";
  return error;
}
