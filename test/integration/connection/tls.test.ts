import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { encodeCommand } from "../../../src/redis/resp.ts";
import { SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, type CliResult, uniqueKey } from "../../support/cli.ts";
import { makeCertificates, type TestCertificates } from "../../support/tls.ts";
import { readFileSync } from "node:fs";
import { openConnection } from "../../support/connection.ts";
import { lastingPort } from "../../support/ports.ts";

let server: SandboxServer;
let certificates: TestCertificates;
let tlsPort: number;

beforeAll(async () => {
  certificates = await makeCertificates();
  tlsPort = await lastingPort();
  server = await SandboxServer.start({
    executable: inject("redisExecutable"),
    args: [
      ["--tls-port", String(tlsPort), "--tls-ca-cert-file", certificates.ca],
      ["--tls-cert-file", certificates.serverCert, "--tls-key-file", certificates.serverKey],
    ].flat(),
  });
});
afterAll(async () => {
  await server.stop();
  await certificates.remove();
});

function lag(url: string, ...flags: string[]): Promise<CliResult> {
  return cli(["lag", "no-such-stream-here", ...flags], { url });
}

describe("TLS", () => {
  test("with its authority and a client certificate: every kind of connection", async () => {
    const { ca, clientCert, clientKey } = certificates;
    const [cacert, cert, key] = [ca, clientCert, clientKey].map((file) => readFileSync(file, "utf8"));
    const tls = { ca: cacert, cert, key, insecure: false };
    const connection = await openConnection(`redis://127.0.0.1:${tlsPort}`, { tls });
    const stream = uniqueKey();
    await connection.call("XADD", stream, "1-1", "a", "x".repeat(100_000));
    const pipeline = await connection.pipeline(stream);
    expect(await pipeline.request(encodeCommand(["XLEN", stream]))).toBe(1);
    const reader = await connection.reader();
    expect(await reader.call("XREAD", ["BLOCK", 1, "STREAMS", stream, "0"], 1)).toHaveLength(1);
  });

  test("flags reach the connection", async () => {
    const { ca, clientCert, clientKey } = certificates;
    const flags = ["--cacert", ca, "--cert", clientCert, "--key", clientKey];
    // Exit 4 comes from the server: it has no such stream.
    expect(await lag(`rediss://localhost:${tlsPort}`, ...flags)).toMatchObject({ code: 4 });
    expect(await lag(`redis://localhost:${tlsPort}`, "--tls", ...flags)).toMatchObject({ code: 4 });
    const unchecked = ["--insecure", "--cert", clientCert, "--key", clientKey];
    expect(await lag(`rediss://localhost:${tlsPort}`, ...unchecked)).toMatchObject({ code: 4 });
    expect(await lag(`rediss://127.0.0.1:${tlsPort}`, "--sni", "localhost", ...flags)).toMatchObject({
      code: 4,
    });
  });

  test.each([
    ["an authority that is not trusted", "rediss", [], /certificate was not accepted.*--cacert/],
    [
      "a certificate for another host",
      "rediss",
      ["--sni", "elsewhere", "CA"],
      /certificate was not accepted/,
    ],
    ["no client certificate where one is asked for", "rediss", ["CA"], /client certificate|TLS failed/],
    ["no TLS on a TLS port", "redis", [], /closed the connection.*--tls/],
    ["a file that is no certificate", "rediss", ["--cacert", "/etc/hostname"], /--cacert: .*not a PEM file/],
    ["a file that is missing", "rediss", ["--cacert", "/nowhere"], /--cacert: can't read \/nowhere: ENOENT/],
  ])("%s: one clear line", async (_, scheme, flags, message) => {
    const args = flags.flatMap((flag) => (flag === "CA" ? ["--cacert", certificates.ca] : [flag]));
    const { code, stderr } = await lag(`${scheme}://127.0.0.1:${tlsPort}`, ...args);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(/--cacert:/.test(stderr) ? 2 : 3);
  });

  test("a certificate that has expired: one clear line", async ({ skip }) => {
    const { ca, expiredCert, serverKey } = certificates;
    if (expiredCert === undefined) return skip("this openssl makes no certificate that is over already");
    const port = await lastingPort();
    const expired = await SandboxServer.start({
      executable: inject("redisExecutable"),
      args: [
        ["--tls-port", String(port), "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"],
        ["--tls-cert-file", expiredCert, "--tls-key-file", serverKey],
      ].flat(),
    });
    onTestFinished(() => expired.stop());
    const { code, stderr } = await lag(`rediss://127.0.0.1:${port}`, "--cacert", ca);
    expect(stderr).toMatch(/certificate was not accepted \(certificate has expired\)/);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(3);
  });

  test("on a port without TLS", async () => {
    const { code, stderr } = await lag(`rediss://127.0.0.1:${server.port}`, "--connect-timeout", "500ms");
    expect(stderr).toMatch(/could not connect to rediss:.*timed out: check that this port speaks TLS/);
    expect(code).toBe(3);
  });
});
