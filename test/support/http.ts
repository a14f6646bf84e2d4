import { request } from "node:http";
import { Exposition } from "./prometheus.ts";

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** One request on a connection of its own. */
export function ask(url: string, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const body = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, body, headers: response.headers });
      });
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** The metrics of a run, read strictly. */
export async function scrape(url: string): Promise<Exposition> {
  const { status, body } = await ask(`${url}/metrics`);
  if (status !== 200) throw new Error(`/metrics answered ${status}: ${body}`);
  return new Exposition(body);
}

/** Where a run started with --metrics-port 0 listens; undefined as long as it has not said so. */
export function metricsUrl({ stderr }: { readonly stderr: string }): string | undefined {
  return /metrics on (http:\/\/[^/\s]+)\/metrics/.exec(stderr)?.[1];
}
