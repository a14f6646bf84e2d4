import type { Agent, ClientRequest, RequestOptions } from "node:http";
import type { HandlerSettings } from "./handler.ts";

/** Where entries are posted. */
export interface PostTarget {
  /** http or https, without a user; nothing of an entry becomes part of it. */
  readonly url: URL;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Certificates to trust besides those that Node does (PEM). */
  readonly ca: string | undefined;
}

export interface PostSettings extends Pick<
  HandlerSettings,
  "group" | "consumer" | "concurrency" | "stdin" | "captureStdout" | "timeoutMs"
> {
  readonly target: PostTarget;
}

/** Node's client for the URL's scheme, and the connections it keeps. */
export interface HttpClient {
  readonly agent: Agent;
  request(url: URL, options: RequestOptions): ClientRequest;
}

/** Connections are kept, one for each request that may be under way. */
export async function openHttpClient({ target, concurrency }: PostSettings): Promise<HttpClient> {
  const pool = { keepAlive: true, maxSockets: concurrency, maxFreeSockets: concurrency };
  if (target.url.protocol === "http:") {
    const { Agent, request } = await import("node:http");
    return { agent: new Agent(pool), request };
  }
  const [{ Agent, request }, { rootCertificates }] = await Promise.all([
    import("node:https"),
    import("node:tls"),
  ]);
  const ca = target.ca === undefined ? undefined : [...rootCertificates, target.ca];
  return { agent: new Agent({ ...pool, ...(ca && { ca }) }), request };
}
