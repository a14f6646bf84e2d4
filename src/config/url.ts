import { UsageError } from "../errors.ts";
import type { SettingName, SettingValue } from "./settings.ts";

/** What a URL says, under the settings' names. */
export type UrlParts = Partial<Record<SettingName, SettingValue>>;

const NO_HOST = "socket";

/**
 * Reads `redis://[user:pass@]host:port/db`, `rediss://` and `unix://[user:pass@]/path?db=2`. User and
 * password are percent-decoded. Query parameters other than `db` belong to other libraries and are
 * left alone. `where` names the URL's source; a message never repeats the URL, which may hold a password.
 */
export function parseRedisUrl(text: string, where: string): UrlParts {
  const scheme = /^([a-z+]+):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== "redis" && scheme !== "rediss" && scheme !== "unix") {
    throw new UsageError(`${where}: not a Redis URL`, {
      hint: "use redis://[user:pass@]host:port/db, rediss:// (TLS) or unix:///path",
    });
  }
  // A URL may not have credentials without a host; a socket has no host, so it gets one that stands for none.
  const url = toUrl(text.replace(/^unix:\/\/([^/]*@)?\//i, `unix://$1${NO_HOST}/`), where);
  const parts: UrlParts = { ...credentials(url, where) };
  const db = databaseOf(url, scheme, where);
  if (db !== undefined) parts.db = db;
  if (scheme === "unix") {
    const path = decode(url.pathname, where);
    if (url.host !== NO_HOST || path.length < 2)
      throw new UsageError(`${where}: no socket path`, { hint: "three slashes: unix:///run/redis.sock" });
    return { ...parts, path };
  }
  parts.host = decode(url.hostname.replace(/^\[(.*)\]$/, "$1"), where) || "127.0.0.1";
  parts.port = url.port === "" ? 6379 : Number(url.port);
  parts.tls = scheme === "rediss";
  return parts;
}

/** Whether a value is a URL with a password, well-formed or not. */
export function hasPassword(value: SettingValue | undefined): boolean {
  return typeof value === "string" && /:\/\/[^@]*:[^@]*@/.test(value);
}

function toUrl(text: string, where: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new UsageError(`${where}: this URL can't be read`, {
      hint: "percent-encode special characters in the password (@ is %40, / is %2F, # is %23)",
    });
  }
}

function credentials(url: URL, where: string): UrlParts {
  const parts: UrlParts = {};
  if (url.username !== "") parts.user = decode(url.username, where);
  if (url.password !== "") parts.password = decode(url.password, where);
  return parts;
}

function databaseOf(url: URL, scheme: string, where: string): number | undefined {
  // Making its parameters takes a millisecond or two.
  const asked = url.search === "" ? null : url.searchParams.get("db");
  const text = asked ?? (scheme === "unix" ? "" : url.pathname.replace(/^\//, ""));
  if (text === "") return undefined;
  if (!/^\d{1,5}$/.test(text))
    throw new UsageError(`${where}: the path of the URL is not a database number`, {
      hint: "redis://host:6379/2 is database 2",
    });
  return Number(text);
}

function decode(text: string, where: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError(`${where}: a % in the URL is not followed by two hex digits`, {
      hint: "write % itself as %25",
    });
  }
}
