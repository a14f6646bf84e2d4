import { ConnectionError, errorText } from "../errors.ts";
import { type ConnectionSettings, describeTarget } from "./settings.ts";

const CERTIFICATE =
  /^(CERT_|ERR_TLS_CERT|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH)/;
/** What ioredis' parser says of bytes that are no reply. */
const NOT_REDIS = /^(Unknown RESP type|Protocol error)/;
const NO_CLUSTER = /cluster support disabled/;
const SERVER_HINT = "check that Redis runs there; -u/--url, REDIS_URL or a profile name another";
const NODES_HINT =
  "check that its nodes run; where they tell addresses that lead nowhere from here, --nat-map gives others";
const TLS_HINT = "--cacert names the authority that signed it, --sni the host it was made for";

/** Why a connection could not be made, in one line, with what to do about it. */
export function cannotConnect(settings: ConnectionSettings, cause: unknown): ConnectionError {
  const { reason, hint } = explain(cause, settings);
  return new ConnectionError(`could not connect to ${describeTarget(settings)}: ${reason}`, { hint, cause });
}

interface Explanation {
  readonly reason: string;
  readonly hint: string;
}

/** None of the Sentinels named a master. */
export class NoSentinel extends Error {
  /** What the last of them said, or why it could not be reached. */
  readonly last: unknown;

  constructor(last: unknown) {
    super(errorText(last), { cause: last });
    this.last = last;
  }
}

/** It speaks the protocol, and is none of the servers that streamctl works with. */
export class WrongServer extends Error {
  /** `sentinel`, or the name and version of one that is too old. */
  readonly is: string;

  constructor(is: string) {
    super(`the server is ${is}`);
    this.is = is;
  }
}

function explain(cause: unknown, settings: ConnectionSettings): Explanation {
  if (cause instanceof WrongServer) return explainWrong(cause);
  if (cause instanceof NoSentinel) return explainSentinel(cause.last, settings);
  const code = errorCodeOf(cause);
  const text = errorText(cause);
  if (settings.mode === "sentinel" && code === "ECONNREFUSED") {
    const { address, port } = cause as { address?: string; port?: number };
    return {
      reason: `${address}:${port}, which Sentinel names as the master, refused the connection`,
      hint: "it may have just died: a failover takes some seconds; --nat-map where it has another address from here",
    };
  }
  if (CERTIFICATE.test(code))
    return { reason: `its certificate was not accepted (${text || code})`, hint: TLS_HINT };
  if (code === "EPROTO" || code.startsWith("ERR_SSL")) {
    return /wrong version number|packet length/i.test(text)
      ? { reason: "the server does not speak TLS on this port", hint: "use redis:// or leave --tls out" }
      : { reason: `TLS failed (${sslReason(text)})`, hint: "check --cacert, --cert and --key" };
  }
  // Of the address that was given no node has told.
  const given = (cause as { port?: unknown } | undefined)?.port === settings.port;
  const elsewhere = settings.mode === "cluster" && !given ? NODES_HINT : SERVER_HINT;
  if (NOT_REDIS.test(text))
    return {
      reason: "what answers there does not speak Redis' protocol",
      hint: `a wrong port? ${elsewhere}`,
    };
  if (NO_CLUSTER.test(text))
    return {
      reason: "this server is not part of a cluster",
      hint: "leave --cluster out (STREAMCTL_CLUSTER, or `cluster` in the profile)",
    };
  switch (code) {
    case "ECONNREFUSED":
      return { reason: "connection refused", hint: elsewhere };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return { reason: "the host name could not be resolved", hint: elsewhere };
    case "ENOENT":
      return { reason: "no such socket", hint: elsewhere };
    case "EACCES":
      return { reason: "permission denied", hint: "this user may not open that socket" };
    case "ETIMEDOUT":
      return timedOut(settings, elsewhere);
    case "ECONNRESET":
    case "EPIPE":
      return { reason: "the server closed the connection", hint: tlsHint(settings) };
    default:
      if (text.startsWith("Connection is closed"))
        return { reason: "the server closed the connection", hint: tlsHint(settings) };
      if (cause === undefined) return timedOut(settings, elsewhere);
      return { reason: text.replace(/^-?ERR /, "") || code, hint: elsewhere };
  }
}

function explainWrong({ is }: WrongServer): Explanation {
  if (is === "sentinel")
    return {
      reason: "what answers there is a Sentinel",
      hint: "it is given with --sentinel HOST:PORT --master NAME, and names the server",
    };
  return {
    reason: `it is ${is}, and streamctl needs Redis 6.0 or newer`,
    hint: "upgrade it; -u/--url, REDIS_URL or a profile name another",
  };
}

function explainSentinel(last: unknown, settings: ConnectionSettings): Explanation {
  const hosts = sentinelsOf(settings);
  const text = errorText(last);
  if (/unknown command/i.test(text) || NOT_REDIS.test(text))
    return {
      reason: `no Sentinel answers at ${hosts}, but something else`,
      hint: "--sentinel takes the Sentinels' addresses, usually with port 26379; a server itself is given with -u",
    };
  if (/No such master/i.test(text))
    return {
      reason: `the Sentinels know no master "${settings.master}"`,
      hint: "`redis-cli -p 26379 sentinel masters` shows the names",
    };
  if (/^(NOAUTH|WRONGPASS)|invalid password/i.test(text))
    return {
      reason: "the Sentinels ask for another password, or for one at all",
      hint: "give it with --sentinel-password-file, and their user with --sentinel-user",
    };
  const { reason } = explain(last, { ...settings, mode: "standalone" });
  return {
    reason: `no Sentinel at ${hosts}: ${/timed out/i.test(text) ? "no answer" : reason}`,
    hint: "check that Sentinels run there; --sentinel or a profile name others",
  };
}

function sentinelsOf({ sentinels = [] }: ConnectionSettings): string {
  return sentinels.map(({ host, port }) => `${host}:${port}`).join(", ");
}

/** A server without TLS takes a TLS greeting for half a command, and waits for the rest. */
function timedOut(settings: ConnectionSettings, elsewhere: string): Explanation {
  if (settings.mode === "sentinel")
    return {
      reason: `no answer from the Sentinels at ${sentinelsOf(settings)}, or from the master they name`,
      hint: "check that both run there; --sentinel or a profile name others",
    };
  return { reason: "timed out", hint: settings.tls ? tlsHint(settings) : elsewhere };
}

function tlsHint(settings: ConnectionSettings): string {
  return settings.tls
    ? "check that this port speaks TLS, and whether it asks for a client certificate (--cert, --key)"
    : "if this port speaks TLS, use rediss:// or --tls";
}

/** True when trying again is no use. */
export function isHopeless(cause: unknown): boolean {
  return cause instanceof WrongServer || NO_CLUSTER.test(errorText(cause));
}

/** The code of a system or TLS error; a host with several addresses fails with one error per address. */
function errorCodeOf(cause: unknown): string {
  const error = cause as { code?: unknown; errors?: { code?: unknown }[] } | undefined;
  const code = error?.code ?? error?.errors?.[0]?.code;
  return typeof code === "string" ? code : "";
}

/** OpenSSL's line `…:error:0A000412:SSL routines:…:the reason:file:line:` is noise but for the reason. */
function sslReason(text: string): string {
  const parts = text.split(":").map((part) => part.trim());
  const routines = parts.findIndex((part) => part === "SSL routines");
  return routines < 0 ? text : (parts[routines + 2] ?? text);
}
