import { Cluster, Redis } from "ioredis";

/**
 * ioredis, kept from printing: the only value import of it. It makes further clients by itself (a cluster's
 * nodes, Sentinel's watchers), so its prototype is the one place that reaches them all. A test pins this.
 */
export { Cluster, Redis };

/** Emitted by a client whose server asks for no password although one was given. */
export const PASSWORD_UNUSED = "passwordUnused";

const { prototype } = Redis;
const { auth, client, silentEmit } = prototype as Internals;

interface Internals {
  auth(...args: unknown[]): Promise<unknown>;
  client(...args: unknown[]): Promise<unknown>;
  silentEmit(event: string, argument?: unknown): boolean;
}

Object.assign(prototype, {
  /** ioredis writes a warning to the console when AUTH is refused for these reasons, and goes on. */
  auth(this: Redis, ...args: unknown[]): Promise<unknown> {
    return auth.apply(this as unknown as Internals, args).catch((error: Error) => {
      if (/no password is set|without any password configured/.test(error.message)) {
        this.emit(PASSWORD_UNUSED);
        return "OK";
      }
      // Its message would make ioredis print and go on without credentials.
      if (/wrong number of arguments/.test(error.message))
        throw replyError("WRONGPASS this server (older than Redis 6) knows passwords but no user names");
      throw error;
    });
  },

  /** ioredis ignores what the server says to CLIENT SETNAME, even that it has no room for one more client. */
  client(this: Redis, ...args: unknown[]): Promise<unknown> {
    const reply = client.apply(this as unknown as Internals, args);
    if (args[0] === "setname") {
      reply.catch((error: Error) => {
        if (error.name === "ReplyError" && !/^NOPERM|unknown command/i.test(error.message))
          (this as unknown as Internals).silentEmit("error", error);
      });
    }
    return reply;
  },

  /** ioredis prints errors that nobody listens for. */
  silentEmit(this: Redis, event: string, argument?: unknown): boolean {
    if (event === "error" && this.listenerCount("error") === 0) return false;
    return silentEmit.call(this as unknown as Internals, event, argument);
  },
});

function replyError(message: string): Error {
  const error = new Error(message);
  error.name = "ReplyError";
  return error;
}
