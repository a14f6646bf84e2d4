import { InvalidArgumentError, Option } from "commander";
import type { Context } from "../context.ts";
import type { Site } from "../metrics/http-server.ts";
import { parseCount } from "../units.ts";

export interface MetricsFlags {
  readonly metricsPort?: number;
  readonly metricsHost?: string;
}

/** Only this machine may look, unless told otherwise. */
const DEFAULT_HOST = "127.0.0.1";

export function metricsOptions(portDefault: string): Option[] {
  return [
    new Option(
      "--metrics-port <port>",
      `serve /metrics, /healthz and /readyz there; 0 is any free port (default: ${portDefault})`,
    ).argParser((text) => {
      const port = parseCount(text);
      if (port === undefined || port > 65_535) throw new InvalidArgumentError("Give a port from 0 to 65535.");
      return port;
    }),
    new Option(
      "--metrics-host <address>",
      `listen on this address; in a container 0.0.0.0 (default: ${DEFAULT_HOST})`,
    ),
  ];
}

/** Listens until the run ends, and says where. */
export async function startEndpoint(
  context: Context,
  at: { readonly host: string | undefined; readonly port: number },
  site: Site,
): Promise<void> {
  const { serveMetrics } = await import("../metrics/http-server.ts");
  const endpoint = await serveMetrics({ host: at.host ?? DEFAULT_HOST, port: at.port }, site);
  context.defer(() => endpoint.close());
  context.log.info(`metrics on ${endpoint.url}/metrics`, { url: `${endpoint.url}/metrics` });
}
