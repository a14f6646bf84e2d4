import { expect, inject, test } from "vitest";
import { keySlot } from "../../src/redis/keys.ts";
import { SandboxServer } from "../../src/sandbox/server.ts";
import { bin } from "../support/bin.ts";
import { ndjson, uniqueKey } from "../support/cli.ts";
import { TestCluster } from "../support/cluster.ts";
import { lastingPort } from "../support/ports.ts";
import { makeCertificates } from "../support/tls.ts";

// What the build leaves out of ioredis, or loads later, must not be missed where it is needed.

test("the built program finds every node of a cluster", async () => {
  const cluster = await TestCluster.start();
  try {
    const prefix = uniqueKey("built");
    const names = Array.from({ length: 12 }, (_, n) => `${prefix}:${n + 10}`);
    expect(new Set(names.map((name) => cluster.ownerOf(keySlot(name)))).size).toBe(3);
    const run = async (...args: string[]) => {
      const result = await bin([...args, "--cluster"], { url: cluster.url });
      expect(result).toMatchObject({ code: 0, stderr: "" });
      return result.stdout;
    };
    for (const name of names) await run("produce", name, "a=1", "-q");
    await run("consume", ...names, "-g", "g", "--create-group", "--until-empty", "--no-ack", "-q");
    const rows = ndjson(await run("lag", `${prefix}:*`));
    expect(rows.map((row) => [row["stream"], row["lag"], row["pending"]])).toEqual(
      names.map((name) => [name, 0, 1]),
    );
  } finally {
    await cluster.stop();
  }
});

test("the built program speaks TLS", async () => {
  const certificates = await makeCertificates();
  const port = await lastingPort();
  const { ca, serverCert, serverKey } = certificates;
  const server = await SandboxServer.start({
    executable: inject("redisExecutable"),
    args: [
      ["--tls-port", String(port), "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"],
      ["--tls-cert-file", serverCert, "--tls-key-file", serverKey],
    ].flat(),
  });
  try {
    const args = ["produce", uniqueKey(), "a=1", "--cacert", ca];
    const { code, stdout, stderr } = await bin(args, { url: `rediss://127.0.0.1:${port}` });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^\d+-\d+\n$/);
  } finally {
    await server.stop();
    await certificates.remove();
  }
});
