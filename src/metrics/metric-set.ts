import type * as prometheus from "prom-client";
import { version } from "../version.ts";

type Library = Pick<typeof prometheus, "Counter" | "Gauge" | "Histogram" | "Registry">;

/** The metrics of this run alone, in Prometheus' text format. */
export class MetricSet {
  readonly #library: Library;
  readonly #registry: prometheus.Registry;

  private constructor(library: Library) {
    this.#library = library;
    this.#registry = new library.Registry();
  }

  /** With what every streamctl shows: its version, and whether Redis is there. */
  static async open(connected: () => boolean): Promise<MetricSet> {
    // A CommonJS package: bundled, it has nothing but its default export.
    const { default: library } = (await import("prom-client")) as { default: Library };
    const metrics = new MetricSet(library);
    metrics.gauge(
      "streamctl_build_info",
      "Always 1; the version of streamctl is a label.",
      ["version"],
      (gauge) => gauge.set({ version }, 1),
    );
    metrics.gauge("streamctl_connected", "1 while there is a connection to Redis, else 0.", [], (gauge) =>
      gauge.set(connected() ? 1 : 0),
    );
    return metrics;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): prometheus.Counter<Label> {
    return new this.#library.Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  /** `set` is called at every scrape, to give the gauge the values of the moment. */
  gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    set: (gauge: prometheus.Gauge<Label>) => void,
  ): void {
    const gauge: prometheus.Gauge<Label> = new this.#library.Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => set(gauge),
    });
  }

  histogram(name: string, help: string, buckets: readonly number[]): prometheus.Histogram {
    return new this.#library.Histogram({ name, help, buckets: [...buckets], registers: [this.#registry] });
  }
}
