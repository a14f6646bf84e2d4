import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../../../src/sandbox/server.ts";
import { cli, CliRun } from "../../support/cli.ts";
import { serverUrl } from "../../support/server-url.ts";

/** Starts a server of something else; gives its `host:port`. */
async function listening(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const speaksHttp = (): Promise<string> => listening(createHttp((_, response) => response.end("hello")));
const greets = (): Promise<string> =>
  listening(createServer((socket) => socket.write("SSH-2.0-OpenSSH_9.6\r\n")));
const isSilent = (): Promise<string> => listening(createServer(() => {}));
const hangsUp = (): Promise<string> => listening(createServer((socket) => socket.destroy()));
const isNotThere = async (): Promise<string> => `127.0.0.1:${await freePort()}`;
const isPlainRedis = (): Promise<string> => Promise.resolve(new URL(serverUrl()).host);

describe("a server that is not what was meant: one line with what to do, exit 3", () => {
  test.each([
    ["a web server", speaksHttp, [], /does not speak Redis' protocol: a wrong port\?/],
    ["a server that greets", greets, [], /does not speak Redis' protocol/],
    ["a web server, as a cluster", speaksHttp, ["--cluster"], /does not speak Redis' protocol/],
    ["one that hangs up at once", hangsUp, [], /the server closed the connection/],
    ["nothing, as a cluster", isNotThere, ["--cluster"], /connection refused: check that Redis runs there/],
    [
      "a plain server, as a cluster",
      isPlainRedis,
      ["--cluster"],
      /not part of a cluster: leave --cluster out/,
    ],
  ])("%s", async (_, start, more, expected) => {
    const address = await start();
    const result = await cli(["lag", "x", ...more, "--connect-timeout", "1s"], { url: `redis://${address}` });
    expect(result.stderr).toMatch(expected);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
    expect(result.code).toBe(3);
  });

  test.each([
    ["a plain server", isPlainRedis, /no Sentinel answers at .*, but something else: --sentinel takes/],
    ["a web server", speaksHttp, /no Sentinel answers at .*, but something else/],
    [
      "nothing",
      isNotThere,
      /no Sentinel at 127\.0\.0\.1:\d+: connection refused: check that Sentinels run there/,
    ],
    ["something silent", isSilent, /no answer/],
  ])("%s as Sentinel", async (_, start, expected) => {
    const argv = ["lag", "x", "--sentinel", await start(), "--master", "m", "--connect-timeout", "700ms"];
    const { code, stderr } = await cli(argv, { env: { STREAMCTL_URL: "" } });
    expect(stderr).toMatch(expected);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(3);
  });
});

describe("a signal while connecting", () => {
  test.each([
    ["a worker", ["consume", "s", "-g", "g", "--exec", "cat"]],
    ["a group's reader", ["consume", "s", "-g", "g"]],
    ["a follower", ["consume", "s", "-f"]],
    ["an exporter", ["serve-metrics", "--metrics-port", "0"]],
    ["a watch", ["lag", "s", "--watch"]],
  ])("is a clean end of %s", async (_, argv) => {
    const run = new CliRun(argv, { url: `redis://${await isSilent()}` });
    await new Promise((resolve) => setTimeout(resolve, 100));
    run.signal("SIGTERM");
    const { code, stderr } = await run.done;
    expect(stderr).not.toContain("error");
    expect(code).toBe(0);
  });

  test("ends what has a result to give with 128 + n", async () => {
    const run = new CliRun(["lag", "s"], { url: `redis://${await isSilent()}` });
    await new Promise((resolve) => setTimeout(resolve, 100));
    run.signal("SIGTERM");
    expect((await run.done).code).toBe(143);
  });
});
