import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { parseDuration } from "../../../src/units.ts";
import { parseLine, shellWords } from "../../support/command-lines.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "..", "examples");
const read = (path: string): Promise<string> => readFile(join(FOLDER, path), "utf8");

/** What a worker may need from SIGTERM to its end: its handlers, killing them, and the last verdicts. */
function stopMs(flags: Readonly<Record<string, unknown>>): number {
  return Number(flags["shutdownTimeout"]) + Number(flags["killAfter"]) + 10_000;
}

interface Container {
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly env: readonly { readonly valueFrom: { readonly secretKeyRef: { name: string; key: string } } }[];
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: {
        readonly labels: Readonly<Record<string, string>>;
        readonly annotations: Readonly<Record<string, string>>;
      };
      readonly spec: { readonly terminationGracePeriodSeconds?: number; readonly containers: [Container] };
    };
    readonly scaleTargetRef?: { readonly name: string };
    readonly metrics?: readonly unknown[];
    readonly secretTargetRef?: readonly { readonly name: string; readonly key: string }[];
    readonly triggers?: readonly {
      readonly type: string;
      readonly metadata: Readonly<Record<string, string>>;
      readonly authenticationRef: { readonly name: string };
    }[];
  };
}

async function manifests(name: string): Promise<readonly Manifest[]> {
  const documents = parseAllDocuments(await read(`kubernetes/${name}`));
  return documents.map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Manifest;
  });
}

async function manifest(name: string, kind: string): Promise<Manifest> {
  const found = (await manifests(name)).find((one) => one.kind === kind);
  if (!found) throw new Error(`no ${kind} in ${name}`);
  return found;
}

describe("Kubernetes", () => {
  test.each([
    ["worker.yaml", "consume"],
    ["partitions.yaml", "consume"],
    ["exporter.yaml", "serve-metrics"],
  ])("%s: the command line is understood; ports, probes, labels and secrets agree", async (file, command) => {
    const { spec } = await manifest(file, "Deployment");
    const { metadata } = spec.template;
    const [container] = spec.template.spec.containers;
    expect(container.command).toEqual(["streamctl"]);
    const line = await parseLine(container.args);
    expect(line).toMatchObject({ command, flags: { metricsHost: "0.0.0.0", log: "json" } });
    const { metricsPort } = line.flags;
    expect(container.ports).toEqual([{ name: "metrics", containerPort: metricsPort }]);
    expect(metadata.annotations["prometheus.io/port"]).toBe(String(metricsPort));
    expect(container.livenessProbe.httpGet).toEqual({ path: "/healthz", port: "metrics" });
    expect(container.readinessProbe.httpGet).toEqual({ path: "/readyz", port: "metrics" });
    expect(metadata.labels).toMatchObject(spec.selector.matchLabels);
    const secret = await manifest("worker.yaml", "Secret");
    for (const { valueFrom } of container.env) {
      expect(valueFrom.secretKeyRef.name).toBe(secret.metadata.name);
      expect(secret.stringData).toHaveProperty(valueFrom.secretKeyRef.key);
    }
  });

  test.each(["worker.yaml", "partitions.yaml"])(
    "%s: the grace period is longer than a stop may take",
    async (file) => {
      const { spec } = await manifest(file, "Deployment");
      const [container] = spec.template.spec.containers;
      const { flags } = await parseLine(container.args);
      const graceMs = (spec.template.spec.terminationGracePeriodSeconds ?? 30) * 1_000;
      expect(graceMs).toBeGreaterThan(stopMs(flags));
    },
  );

  test("scaled-object.yaml: scales the worker by its own stream and group", async () => {
    const worker = await manifest("worker.yaml", "Deployment");
    const secret = await manifest("worker.yaml", "Secret");
    const { spec } = await manifest("scaled-object.yaml", "ScaledObject");
    const authentication = await manifest("scaled-object.yaml", "TriggerAuthentication");
    expect(spec.scaleTargetRef?.name).toBe(worker.metadata.name);
    const [trigger] = spec.triggers ?? [];
    const { args } = worker.spec.template.spec.containers[0];
    const { flags } = await parseLine(args);
    expect(trigger?.type).toBe("redis-streams");
    expect(trigger?.metadata).toMatchObject({ stream: args[1], consumerGroup: flags["group"] });
    expect(secret.stringData?.["url"]).toContain(`@${trigger?.metadata["address"]}`);
    expect(trigger?.authenticationRef.name).toBe(authentication.metadata.name);
    for (const { name, key } of authentication.spec.secretTargetRef ?? []) {
      expect(name).toBe(secret.metadata.name);
      expect(secret.stringData).toHaveProperty(key);
    }
  });
});

describe("Kubernetes: scaling by what waits", () => {
  test("partitions.yaml: KEDA scales the workers by what the exporter serves of their streams and group", async () => {
    const worker = await manifest("partitions.yaml", "Deployment");
    const { spec } = await manifest("partitions.yaml", "ScaledObject");
    expect(spec.scaleTargetRef?.name).toBe(worker.metadata.name);
    expect(worker.spec).not.toHaveProperty("replicas");
    const [trigger] = spec.triggers ?? [];
    expect(trigger?.type).toBe("prometheus");
    await expectServed(trigger?.metadata["query"] ?? "", `stream=~"${await pattern()}",group="billing"`);
    expect(worker.spec.template.spec.containers[0].args).toContain("--group=billing");
  });

  test("autoscaler.yaml: the HPA scales the same workers by the metric that its rule makes", async () => {
    const worker = await manifest("partitions.yaml", "Deployment");
    const { flags } = await parseLine(worker.spec.template.spec.containers[0].args);
    const { spec } = await manifest("autoscaler.yaml", "HorizontalPodAutoscaler");
    expect(spec.scaleTargetRef).toMatchObject({ kind: "Deployment", name: worker.metadata.name });
    const comment = (await read("kubernetes/autoscaler.yaml")).match(/^# {3}.*$/gm) ?? [];
    const { rules } = parse(comment.map((line) => line.slice(2)).join("\n")) as {
      readonly rules: {
        readonly external: [{ readonly name: { as: string }; readonly metricsQuery: string }];
      };
    };
    const [rule] = rules.external;
    expect(spec.metrics).toMatchObject([
      { external: { metric: { name: rule.name.as, selector: { matchLabels: { group: flags["group"] } } } } },
    ]);
    await expectServed(rule.metricsQuery, `stream=~"${await pattern()}",<<.LabelMatchers>>`);
  });

  /** What the workers read: as a glob pattern and as a regular expression it is the same. */
  async function pattern(): Promise<string> {
    const { spec } = await manifest("partitions.yaml", "Deployment");
    return spec.template.spec.containers[0].args[1] ?? "";
  }

  /** A query of two metrics that serve-metrics has, each of these labels. */
  async function expectServed(query: string, labels: string): Promise<void> {
    const served = await readFile(join(FOLDER, "..", "test/integration/forms/serve-metrics.txt"), "utf8");
    const terms = [...query.matchAll(/sum\((streamctl_\w+)\{(.*?)\}\)/g)];
    expect(terms).toHaveLength(2);
    for (const [, name = "", given] of terms) {
      expect(served).toContain(`# TYPE ${name} gauge`);
      expect(given).toBe(labels);
    }
  }
});

interface Service {
  readonly command: readonly [string, ...string[]];
  readonly expose?: readonly string[];
  readonly ports?: readonly string[];
  readonly stop_grace_period?: string;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

describe("docker compose", () => {
  test("the command lines are understood; ports and times agree", async () => {
    const { services } = parse(await read("docker-compose/compose.yaml")) as {
      services: Record<"redis" | "worker" | "exporter", Service>;
    };
    const { worker, exporter } = services;
    const work = await parseLine(worker.command.slice(1));
    expect(work).toMatchObject({ command: "consume", flags: { metricsHost: "0.0.0.0" } });
    const port = String(work.flags["metricsPort"]);
    expect(worker.expose).toEqual([port]);
    expect(worker.healthcheck?.test.join(" ")).toContain(`http://127.0.0.1:${port}/healthz`);
    expect(parseDuration(worker.stop_grace_period ?? "10s")).toBeGreaterThan(stopMs(work.flags));
    const serving = await parseLine(exporter.command.slice(1));
    expect(serving).toMatchObject({ command: "serve-metrics", flags: { metricsHost: "0.0.0.0" } });
    expect(serving.flags["metricsPort"]).toBe(9_464);
    expect(exporter.ports).toEqual(["127.0.0.1:9464:9464"]);
    for (const { depends_on } of [worker, exporter])
      for (const name of Object.keys(depends_on ?? {})) expect(services).toHaveProperty(name);
  });
});

describe("systemd", () => {
  const UNIT = "streamctl-worker@.service";

  /** The settings of a unit, with continued lines joined. */
  async function settings(): Promise<Map<string, string>> {
    const text = (await read(`systemd/${UNIT}`)).replaceAll(/\\\n\s*/g, "");
    const lines = text.split("\n").filter((line) => /^\w+=/.test(line));
    return new Map(lines.map((line) => [line.replace(/=.*/, ""), line.replace(/^\w+=/, "")]));
  }

  test("the command line is understood, and systemd waits longer than a stop may take", async () => {
    const unit = await settings();
    const [program, ...argv] = shellWords(unit.get("ExecStart") ?? "");
    expect(program).toMatch(/\/streamctl$/);
    const { command, flags } = await parseLine(argv);
    expect(command).toBe("consume");
    expect(parseDuration(unit.get("TimeoutStopSec") ?? "")).toBeGreaterThan(stopMs(flags));
    // The worker is told first; it tells its handlers.
    expect(unit.get("KillMode")).toBe("mixed");
  });

  test("systemd-analyze finds nothing to complain about", async (context) => {
    const run = promisify(execFile);
    const there = await run("systemd-analyze", ["--version"]).catch(() => undefined);
    if (!there) return context.skip("systemd-analyze is not installed");
    const folder = await mkdtemp(join(tmpdir(), "unit-"));
    try {
      // It insists on programs that exist.
      const text = (await read(`systemd/${UNIT}`)).replace(
        /^ExecStart=\S+/m,
        `ExecStart=${process.execPath}`,
      );
      await writeFile(join(folder, UNIT), text);
      const { stderr } = await run("systemd-analyze", ["verify", join(folder, UNIT)]);
      expect(stderr).toBe("");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("cron", () => {
  test("its PATH has the folders that npm installs into and node is in", async () => {
    const path = /^PATH=(.*)$/m.exec(await read("cron/crontab"))?.[1] ?? "";
    expect(path.split(":")).toEqual(expect.arrayContaining(["/usr/local/bin", "/usr/bin", "/bin"]));
    // cron expands nothing.
    expect(path).not.toMatch(/[$~]/);
  });

  test("every line has five times and a command that is understood", async () => {
    const lines = (await read("cron/crontab")).split("\n").filter((line) => /^[\d*]/.test(line));
    const commands: string[] = [];
    for (const line of lines) {
      const [, times = "", command = ""] = /^((?:[\d*/,-]+ ){5})(.*)$/.exec(line) ?? [];
      expect(times, line).not.toBe("");
      // cron takes % for a line end.
      expect(command).not.toContain("%");
      const [program, ...argv] = shellWords(command.replace(/\s*2?>.*$/, ""));
      expect(program).toBe("streamctl");
      commands.push((await parseLine(argv)).command);
    }
    expect(commands).toEqual(["lag", "dlq list", "trim", "schedule run"]);
  });
});

test("a flag that does not exist is noticed", async () => {
  await expect(parseLine(["consume", "orders", "--group=g", "--no-such-flag"])).rejects.toThrow(
    "unknown option",
  );
});

test("the README's table names every example", async () => {
  const readme = await read("README.md");
  const files = ["worker.yaml", "scaled-object.yaml", "exporter.yaml", "compose.yaml", "crontab"];
  const units = ["streamctl-worker@.service", "streamctl-schedule.service"];
  for (const file of [...files, "partitions.yaml", "autoscaler.yaml", ...units])
    expect(readme).toContain(file);
});
