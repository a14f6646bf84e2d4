import { ConnectionError, errorText, ServerError, StreamctlError, type ErrorKind } from "../errors.ts";

/** What a command was about, so that its error can say so. */
export interface CommandContext {
  readonly command: string;
  readonly key?: string | undefined;
  /** The node of a cluster, where it is not the key that decides. */
  readonly node?: string | undefined;
}

/** A server's error reply as our error. The only place where reply texts are interpreted. */
export function translateReply(reply: string, context: CommandContext): ServerError {
  const code = errorCode(reply);
  const on = context.key === undefined ? "" : ` on ${context.key}`;
  const make = (kind: ErrorKind, message: string, hint?: string): ServerError =>
    new ServerError(kind, code, reply, message, {
      key: context.key,
      ...(hint === undefined ? {} : { hint }),
    });
  switch (code) {
    case "WRONGTYPE":
      return make(
        "failed",
        `${context.key ?? "the key"} is not a stream`,
        "name a key that holds a stream; `streamctl ls` shows them",
      );
    case "NOSCHEDULE":
      return make("failed", detail(reply), "what is to be added later stands in that key: rename it");
    case "NOGROUP":
      return make("notFound", `no such group or stream${on}`);
    case "BUSYGROUP":
      return make("failed", `the group exists already${on}`);
    case "OOM":
      return make(
        "failed",
        `Redis is out of memory (maxmemory) and refuses ${context.command}${on}`,
        "free memory or raise maxmemory, then run again",
      );
    case "READONLY":
      return make(
        "failed",
        `this server is a read-only replica: ${context.command} was refused${on}`,
        "connect to the primary",
      );
    case "NOAUTH":
      return make(
        "connection",
        "authentication required",
        "give --user and --password-file, --askpass, or a URL with credentials",
      );
    case "WRONGPASS":
      return /no user names/.test(reply)
        ? make("connection", detail(reply), "leave the user out")
        : make("connection", "wrong user name or password");
    case "NODB":
      return make("usage", `no such database on this server: ${detail(reply)}`, "check -n/--db");
    case "NOPERM":
      return make(
        "failed",
        `no permission for ${context.command}${on}: ${detail(reply)}`,
        "ask for the ACL rights: `streamctl doctor STREAM` lists what each command lacks",
      );
    case NOT_CLUSTER:
      return make(
        "connection",
        `this server is one node of a cluster, and ${context.command}${on} needs another one`,
        CLUSTER_HINT,
      );
    case "LOADING":
      return make("connection", "Redis is loading its data", "wait a moment and run again");
    case "MISCONF":
    case "NOREPLICAS":
      return make("failed", `Redis refuses writes now: ${detail(reply)}`);
    default:
      if (/no such key/.test(reply))
        return make("notFound", `no such stream${context.key === undefined ? "" : `: ${context.key}`}`);
      if (UNKNOWN_COMMAND.test(reply))
        return make(
          "failed",
          `this server does not know ${context.command}`,
          "Redis 6.0 or newer is needed, with none of its commands renamed or blocked",
        );
      return make("failed", `${context.command}${on} failed: ${detail(reply)}`);
  }
}

const UNKNOWN_COMMAND = /^-?ERR unknown command/;

/** The code given to replies of a cluster's node to a client that knows of no cluster. */
const NOT_CLUSTER = "NOTCLUSTER";
const CLUSTER_HINT =
  "add --cluster (or `cluster: true` to the profile): the other nodes are found through this one";

/** For work that takes a stream and the keys beside it in one step, which are named after the cluster's slots. */
export function notWithoutCluster(what: string): ConnectionError {
  return new ConnectionError(`this server is one node of a cluster: ${what}`, { hint: CLUSTER_HINT });
}

/**
 * An error reply as it came over a connection that is not one of a cluster's: where it sends the client to another
 * node, no waiting will help.
 */
export function outsideCluster(reply: string): string {
  return /^(MOVED|ASK|CROSSSLOT)\b/.test(reply) ? `${NOT_CLUSTER} ${reply}` : reply;
}

/**
 * The first word of a reply; errors that a script wraps or that a script's denied command produced are
 * read through to the code that matters.
 */
export function errorCode(reply: string): string {
  const wrapped = /(?:-|: )(OOM|WRONGTYPE|NOGROUP|NOPERM|READONLY|MISCONF)\b/.exec(reply);
  if (/^(ERR )?(Error running script|@user_script)/.test(reply) && wrapped) return wrapped[1] as string;
  if (/ACL failure in script|can't run this command/.test(reply)) return "NOPERM";
  if (/invalid password|invalid username-password/i.test(reply)) return "WRONGPASS";
  if (/requires the key to exist/.test(reply)) return "NOKEY";
  if (/DB index is out of range|invalid DB index|SELECT is not allowed/i.test(reply)) return "NODB";
  const match = /^-?([A-Z][A-Z0-9]+)\b/.exec(reply);
  return match ? (match[1] as string) : "ERR";
}

/** The user lacks the right to a command or a key. */
export function isDenied(error: unknown): error is ServerError {
  return error instanceof ServerError && error.code === "NOPERM";
}

/** The same, or the server knows no such command: some offer no scripts. */
export function isRefused(error: unknown): error is ServerError {
  return isDenied(error) || (error instanceof ServerError && UNKNOWN_COMMAND.test(error.reply));
}

/** The group, or its stream, has gone. */
export function isNoGroup(error: unknown): boolean {
  return error instanceof ServerError && error.code === "NOGROUP";
}

/**
 * No node of a cluster has all keys of a step, those that don't exist included, because their slot is on its way from
 * one to another: TRYAGAIN, or, as Redis 6.0 says it, from each a redirection to the other.
 */
export function isHalfMoved(error: unknown): boolean {
  return error instanceof ServerError && /^(TRYAGAIN|ASK|MOVED)$/.test(error.code);
}

/** True when the server, as it is now, can't do it but may later: failover, loading, migration, memory. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionError) return true;
  return error instanceof ServerError && TRANSIENT.has(error.code);
}

const TRANSIENT = new Set([
  "LOADING",
  "READONLY",
  "CLUSTERDOWN",
  "TRYAGAIN",
  "MASTERDOWN",
  "OOM",
  "MISCONF",
  "NOREPLICAS",
  "BUSY",
  "MOVED",
  "ASK",
  "UNBLOCKED",
]);

/** Whatever ioredis threw, as one of our errors. */
export function translateThrown(error: unknown, context: CommandContext): StreamctlError {
  if (error instanceof StreamctlError) return error;
  const text = errorText(error);
  if (error instanceof Error && error.name === "ReplyError") return translateReply(text, context);
  // A cluster's client gives up following redirections: the reply to the last of them says that nothing was done.
  const refusal = /^Too many Cluster redirections\. Last error: ReplyError: (.*)/.exec(text)?.[1];
  if (refusal !== undefined) return translateReply(refusal, context);
  // ioredis says so without having written a byte.
  if (/isn't writeable|isn't ready/.test(text))
    return new ConnectionError(`not connected: ${context.command} was not sent`, { cause: error });
  // ioredis tells of its retries, of which there are none, instead of what happened.
  const reason = text.startsWith("Reached the max retries per request") ? "" : `: ${text}`;
  const to = context.node === undefined ? "" : ` to ${context.node}`;
  return new ConnectionError(`lost the connection${to} during ${context.command}${reason}`, {
    cause: error,
    sent: true,
  });
}

function detail(reply: string): string {
  return reply.replace(/^-?(ERR|[A-Z]+) /, "");
}
