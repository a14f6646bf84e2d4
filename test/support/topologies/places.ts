import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { lastingPort } from "../ports.ts";
import { TestCluster } from "../cluster.ts";
import { withRedis } from "../redis.ts";
import { TestSentinel } from "../sentinel.ts";
import { makeCertificates } from "../tls.ts";

/** A Redis and the variables by which every command reaches it. */
export interface Place {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Every way to a Redis that a person may have. */
export const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  "a cluster of three primaries and three replicas": async () => {
    const cluster = await TestCluster.start(3, [], { replicas: 1 });
    return clusterPlace(cluster);
  },

  "a cluster on IPv6": async () => clusterPlace(await TestCluster.start(3, [], { host: "::1" })),

  "a cluster behind names that mean nothing here (--nat-map)": async () => {
    const rules: string[] = [];
    const named = await knowsHostnames();
    const cluster = await TestCluster.start(3, [], { argsOf: (port) => elsewhere(port, named, rules) });
    return clusterPlace(cluster, { STREAMCTL_NAT_MAP: rules.join(",") });
  },

  "a master of three Sentinels": async () => {
    const sentinel = await TestSentinel.start({ sentinels: 3 });
    const env = { STREAMCTL_URL: "", STREAMCTL_SENTINEL: sentinel.address, STREAMCTL_MASTER: "mymaster" };
    return { env, stop: () => sentinel.stop() };
  },

  "a master whose Sentinels name another address (--nat-map)": async () => {
    // On Linux all of 127.0.0.0/8 is this machine: the Sentinels reach the master there, and a client may be told to go elsewhere.
    const sentinel = await TestSentinel.start({ sentinels: 3, host: "127.0.0.9" });
    const rule = `127.0.0.9:${sentinel.master.port}=127.0.0.1:${sentinel.master.port}`;
    const env = {
      STREAMCTL_URL: "",
      STREAMCTL_SENTINEL: sentinel.address,
      STREAMCTL_MASTER: "mymaster",
      STREAMCTL_NAT_MAP: rule,
    };
    return { env, stop: () => sentinel.stop() };
  },

  "TLS with an authority of its own and client certificates": async () => {
    const certificates = await makeCertificates();
    const { ca, serverCert, serverKey, clientCert, clientKey } = certificates;
    const port = await lastingPort();
    const args = ["--tls-port", String(port), "--tls-ca-cert-file", ca];
    const server = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: [...args, "--tls-cert-file", serverCert, "--tls-key-file", serverKey],
    });
    const env = {
      STREAMCTL_URL: `rediss://localhost:${port}`,
      STREAMCTL_CACERT: ca,
      STREAMCTL_CERT: clientCert,
      STREAMCTL_KEY: clientKey,
    };
    return { env, stop: () => server.stop().then(() => certificates.remove()) };
  },

  "a cluster with TLS alone": async () => {
    const certificates = await makeCertificates();
    const { ca, serverCert, serverKey, clientCert, clientKey } = certificates;
    const files = ["--tls-ca-cert-file", ca, "--tls-cert-file", serverCert, "--tls-key-file", serverKey];
    const [caText, cert, key] = await Promise.all(
      [ca, clientCert, clientKey].map((file) => readFile(file, "utf8")),
    );
    const cluster = await TestCluster.start(3, ["--tls-cluster", "yes", ...files], {
      tls: { ca: caText as string, cert: cert as string, key: key as string },
      argsOf: async (port) => ["--port", "0", "--tls-port", String(port)],
    });
    const env = {
      STREAMCTL_URL: cluster.url,
      STREAMCTL_CLUSTER: "true",
      STREAMCTL_CACERT: ca,
      STREAMCTL_CERT: clientCert,
      STREAMCTL_KEY: clientKey,
    };
    return { env, stop: () => cluster.stop().then(() => certificates.remove()) };
  },

  IPv6: async () => {
    const server = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: ["--bind", "::1"],
    });
    return { env: { STREAMCTL_URL: `redis://[::1]:${server.port}` }, stop: () => server.stop() };
  },

  "a unix socket": async () => {
    const dir = await mkdtemp(join(tmpdir(), "streamctl-socket-"));
    const path = join(dir, "redis.sock");
    const server = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: ["--unixsocket", path],
    });
    const stop = async (): Promise<void> => {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    };
    return { env: { STREAMCTL_URL: `unix://${path}` }, stop };
  },
};

function clusterPlace(cluster: TestCluster, more: Record<string, string> = {}): Place {
  const env = { STREAMCTL_URL: cluster.url, STREAMCTL_CLUSTER: "true", ...more };
  return { env, stop: () => cluster.stop() };
}

/** From 7.0 on nodes may tell names; before, another port is what nobody here can use. */
async function elsewhere(port: number, named: boolean, rules: string[]): Promise<string[]> {
  if (named) {
    const host = `node-${port}.streamctl.invalid`;
    rules.push(`${host}:${port}=127.0.0.1:${port}`);
    return ["--cluster-announce-hostname", host, "--cluster-preferred-endpoint-type", "hostname"];
  }
  rules.push(`127.0.0.1:${port - 9_999}=127.0.0.1:${port}`);
  return [
    "--cluster-announce-port",
    String(port - 9_999),
    "--cluster-announce-bus-port",
    String(port + 10_000),
  ];
}

async function knowsHostnames(): Promise<boolean> {
  const server = await SandboxServer.start({ executable: inject("redisExecutable") });
  try {
    const known = await withRedis(server.url, (redis) => redis.config("GET", "cluster-announce-hostname"));
    return (known as unknown[]).length > 0;
  } finally {
    await server.stop();
  }
}
