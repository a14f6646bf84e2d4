import type { Context } from "../context.ts";
import type { Site } from "../metrics/http-server.ts";

/** Listens until the run ends, and says where. */
export async function startEndpoint(
  context: Context,
  at: { readonly host: string; readonly port: number },
  site: Site,
): Promise<void> {
  const { serveMetrics } = await import("../metrics/http-server.ts");
  const endpoint = await serveMetrics(at, site);
  context.defer(() => endpoint.close());
  context.log.info(`metrics on ${endpoint.url}/metrics`, { url: `${endpoint.url}/metrics` });
}
