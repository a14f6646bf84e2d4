import { expect } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../cli.ts";
import { metricsUrl, scrape } from "../http.ts";
import { until } from "../redis.ts";

type Rows = Record<string, unknown>[];

/** Runs command lines against one place; each case has a stream of its own. */
export class Bench {
  readonly env: Readonly<Record<string, string>>;
  readonly stream = uniqueKey("place");

  constructor(env: Readonly<Record<string, string>>) {
    this.env = env;
  }

  /** The rows that it prints; fails when it does. */
  async run(argv: readonly string[], stdin = ""): Promise<Rows> {
    return ndjson(await this.text(argv, stdin));
  }

  async text(argv: readonly string[], stdin = ""): Promise<string> {
    const { code, stdout, stderr } = await cli(argv, { env: this.env, stdin });
    expect(code, `${argv.join(" ")}: ${stderr}`).toBe(0);
    return stdout;
  }

  /** Three entries 1-0, 2-0, 3-0. */
  async entries(): Promise<void> {
    const lines = [1, 2, 3].map((n) => JSON.stringify({ id: `${n}-0`, n: String(n) }));
    await this.text(["produce", this.stream, "--id-field", "id"], lines.join("\n"));
  }

  /** … and group g, of which consumer a has them pending. */
  async pending(): Promise<void> {
    await this.entries();
    const reading = ["-g", "g", "--create-group", "--consumer", "a", "--no-ack", "--until-empty"];
    expect(await this.run(["consume", this.stream, ...reading])).toHaveLength(3);
  }

  /** … all of them dead letters by now. */
  async deadLetters(): Promise<void> {
    await this.entries();
    await this.text([
      "consume",
      this.stream,
      "-g",
      "g",
      "--create-group",
      "--until-empty",
      "--exec",
      "exit 65",
    ]);
  }

  /** … all of them settled, and remembered by their field n. */
  async deduped(): Promise<void> {
    await this.entries();
    const worker = ["-g", "g", "--create-group", "--until-empty", "--dedupe", "n", "--exec", "true"];
    await this.text(["consume", this.stream, ...worker]);
  }

  async pendingIds(): Promise<unknown[]> {
    return (await this.run(["pending", this.stream, "-g", "g", "--list"])).map(({ id }) => id);
  }
}

/** What each command does, of those that ask a server. A command without a case fails the run. */
export const CASES: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  produce: async (bench) => {
    const stdin = Array.from({ length: 500 }, (_, n) => `${JSON.stringify({ n: String(n) })}\n`).join("");
    const ids = await bench.text(["produce", bench.stream, "--ids"], stdin);
    expect(ids.trim().split("\n")).toHaveLength(500);
    const parts = ["--partitions", "6", "--partition-by", "n", "--idempotency-key", "n"];
    for (let n = 0; n < 2; n++) await bench.text(["produce", bench.stream, ...parts], stdin);
    const rows = await bench.run(["ls", `${bench.stream}:*`]);
    expect(rows.reduce((sum, { length }) => sum + Number(length), 0)).toBe(500);
  },
  consume: async (bench) => {
    await bench.entries();
    const other = `${bench.stream}:other`;
    await bench.text(["produce", other, "n=4"]);
    expect(await bench.run(["consume", bench.stream, other])).toHaveLength(4);
    expect(
      await bench.run(["consume", bench.stream, other, "-f", "--from", "0", "--count", "4"]),
    ).toHaveLength(4);
    const group = ["-g", "g", "--create-group", "--until-empty"];
    expect(await bench.run(["consume", bench.stream, other, ...group])).toHaveLength(4);
    const out = `out-of-${bench.stream}`;
    const worker = ["-g", "w", "--create-group", "--until-empty", "--emit", out, "--order-by", "n"];
    await bench.text(["consume", bench.stream, other, ...worker, "--exec", 'echo "$STREAMCTL_ID"']);
    expect(await bench.run(["consume", out])).toHaveLength(4);
  },
  pending: async (bench) => {
    await bench.pending();
    expect(await bench.pendingIds()).toEqual(["1-0", "2-0", "3-0"]);
  },
  claim: async (bench) => {
    await bench.pending();
    expect(await bench.run(["claim", bench.stream, "-g", "g", "--all", "--to", "b", "-y"])).toHaveLength(3);
  },
  ack: async (bench) => {
    await bench.pending();
    await bench.text(["ack", bench.stream, "-g", "g", "2-0"]);
    expect(await bench.pendingIds()).toEqual(["1-0", "3-0"]);
  },
  show: async (bench) => {
    await bench.pending();
    expect(await bench.text(["show", bench.stream, "2-0"])).toContain("2-0");
  },
  "dlq list": async (bench) => {
    await bench.deadLetters();
    const rows = await bench.run(["dlq", "list", bench.stream]);
    expect(rows.map(({ originalId }) => String(originalId)).sort()).toEqual(["1-0", "2-0", "3-0"]);
  },
  "dlq show": async (bench) => {
    await bench.deadLetters();
    const [{ id } = {}] = await bench.run(["dlq", "list", bench.stream, "--limit", "1"]);
    expect(await bench.text(["dlq", "show", bench.stream, String(id)])).toContain("exit 65");
  },
  "dlq replay": async (bench) => {
    await bench.deadLetters();
    await bench.text(["dlq", "replay", bench.stream, "--all", "--limit", "1", "-y"]);
    const target = `again-${bench.stream}`;
    await bench.text(["dlq", "replay", bench.stream, "--all", "--to", target, "-y"]);
    expect(await bench.run(["dlq", "list", bench.stream])).toEqual([]);
    expect(await bench.run(["consume", target])).toHaveLength(2);
    expect(await bench.pendingIds()).toHaveLength(1);
  },
  "dlq purge": async (bench) => {
    await bench.deadLetters();
    await bench.text(["dlq", "purge", bench.stream, "--all", "-y"]);
    expect(await bench.run(["dlq", "list", bench.stream])).toEqual([]);
  },
  "dlq add": async (bench) => {
    await bench.pending();
    await bench.text(["dlq", "add", bench.stream, "-g", "g", "2-0", "--reason", "by hand", "-y"]);
    expect(await bench.run(["dlq", "list", bench.stream])).toMatchObject([{ originalId: "2-0" }]);
    expect(await bench.pendingIds()).toEqual(["1-0", "3-0"]);
  },
  release: async (bench) => {
    await bench.entries();
    const waiting = [
      "--create-group",
      "--retry-delay",
      "1h",
      "--retry-max-delay",
      "1h",
      "--idle-exit",
      "300ms",
    ];
    await bench.text(["consume", bench.stream, "-g", "g", ...waiting, "--exec", "exit 1"]);
    await bench.text(["release", bench.stream, "-g", "g", "--all", "-y"]);
    await bench.text(["consume", bench.stream, "-g", "g", "--until-empty", "--exec", "true"]);
    expect(await bench.pendingIds()).toEqual([]);
  },
  "schedule list": async (bench) => {
    await bench.text(["produce", bench.stream, "n=1", "--delay", "1h"]);
    expect(await bench.run(["schedule", "list", bench.stream])).toHaveLength(1);
  },
  "schedule cancel": async (bench) => {
    await bench.text(["produce", bench.stream, "n=1", "--delay", "1h"]);
    await bench.text(["schedule", "cancel", bench.stream, "--all", "-y"]);
    expect(await bench.run(["schedule", "list", bench.stream])).toEqual([]);
  },
  "schedule run": async (bench) => {
    await bench.text(["produce", bench.stream, "n=1", "--delay", "50ms"]);
    await until("it is due, and added", async () => {
      await bench.text(["schedule", "run", bench.stream, "--once"]);
      return (await bench.run(["schedule", "list", bench.stream])).length === 0;
    });
    expect(await bench.run(["consume", bench.stream])).toHaveLength(1);
  },
  "dedupe list": async (bench) => {
    await bench.deduped();
    expect(await bench.run(["dedupe", "list", bench.stream, "-g", "g"])).toHaveLength(3);
  },
  "dedupe forget": async (bench) => {
    await bench.deduped();
    await bench.text(["dedupe", "forget", bench.stream, "-g", "g", "--all", "-y"]);
    expect(await bench.run(["dedupe", "list", bench.stream, "-g", "g"])).toEqual([]);
  },
  trim: async (bench) => {
    await bench.entries();
    await bench.text(["trim", bench.stream, "--maxlen", "1", "--exact", "-y"]);
    expect((await bench.run(["consume", bench.stream])).map(({ id }) => id)).toEqual(["3-0"]);
  },
  lag: async (bench) => {
    await bench.entries();
    await bench.text(["group", "create", bench.stream, "g"]);
    expect(await bench.run(["lag", bench.stream])).toMatchObject([{ group: "g", lag: 3, pending: 0 }]);
  },
  ls: async (bench) => {
    for (let n = 0; n < 10; n++) await bench.text(["produce", `${bench.stream}:${n}`, "n=1"]);
    expect(await bench.run(["ls", `${bench.stream}:*`])).toHaveLength(10);
  },
  info: async (bench) => {
    await bench.pending();
    expect(await bench.run(["info", bench.stream])).toMatchObject([{ length: 3, groups: [{ pending: 3 }] }]);
  },
  "group create": async (bench) => {
    await bench.text(["group", "create", bench.stream, "g", "--mkstream"]);
    expect(await bench.run(["lag", bench.stream])).toMatchObject([{ group: "g", lag: 0 }]);
  },
  "group set-id": async (bench) => {
    await bench.entries();
    await bench.text(["group", "create", bench.stream, "g"]);
    await bench.text(["group", "set-id", bench.stream, "g", "--at", "2-0", "-y"]);
    expect(await bench.run(["lag", bench.stream])).toMatchObject([{ lag: 1 }]);
  },
  "group destroy": async (bench) => {
    await bench.pending();
    await bench.text(["group", "destroy", bench.stream, "g", "-y"]);
    expect(await bench.run(["info", bench.stream])).toMatchObject([{ groups: [] }]);
  },
  "group consumers": async (bench) => {
    await bench.pending();
    const rows = await bench.run(["group", "consumers", bench.stream, "-g", "g"]);
    expect(rows).toMatchObject([{ consumer: "a", pending: 3 }]);
  },
  "group forget-consumer": async (bench) => {
    await bench.pending();
    await bench.text(["group", "forget-consumer", bench.stream, "a", "-g", "g", "--claim-to", "b"]);
    const rows = await bench.run(["group", "consumers", bench.stream, "-g", "g"]);
    expect(rows).toMatchObject([{ consumer: "b", pending: 3 }]);
  },
  "serve-metrics": async (bench) => {
    await bench.pending();
    const run = new CliRun(["serve-metrics", `${bench.stream}*`, "--metrics-port", "0"], { env: bench.env });
    try {
      const at = await until("it listens", () => metricsUrl(run));
      await until("it has looked", async () => {
        const labels = { stream: bench.stream, group: "g" };
        const shown = await scrape(at);
        return shown.samples("streamctl_group_pending_entries").length > 0
          ? shown.value("streamctl_group_pending_entries", labels) === 3
          : false;
      });
    } finally {
      run.signal("SIGTERM");
      await run.done;
    }
  },
  doctor: async (bench) => {
    await bench.pending();
    const { code, stderr } = await cli(["doctor", bench.stream], { env: bench.env });
    expect(stderr).not.toContain("error:");
    expect([0, 6]).toContain(code);
  },
  "config show": async (bench) => {
    const { code } = await cli(["config", "show"], { env: bench.env });
    expect(code).toBe(0);
  },
  __complete: async (bench) => {
    await bench.pending();
    const { stdout } = await cli(["__complete", `streamctl lag ${bench.stream}`], { env: bench.env });
    expect(stdout).toContain(bench.stream);
  },
};

/** Commands that ask no server. */
export const WITHOUT_SERVER: readonly string[] = ["completion", "config init", "help", "sandbox"];
