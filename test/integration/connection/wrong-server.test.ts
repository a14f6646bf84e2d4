import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { describe, expect, inject, test, type TestContext } from "vitest";
import { freePort, SandboxServer } from "../../../src/sandbox/server.ts";
import { cli, CliRun } from "../../support/cli.ts";
import { serverUrl } from "../../support/server-url.ts";

/** Starts a server of something else; gives its `host:port`. */
async function listening(server: Server, { onTestFinished }: TestContext): Promise<string> {
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

type Start = (context: TestContext) => Promise<string>;

/** A server of something else that does this with each connection. */
function each(connected: (socket: Socket) => void): Start {
  return (context) => listening(createServer(connected), context);
}

const speaksHttp: Start = (context) =>
  listening(
    createHttp((_, response) => response.end("hello")),
    context,
  );
const greets = each((socket) => socket.write("SSH-2.0-OpenSSH_9.6\r\n"));
/** Answers each line it does not know as memcached does. */
const isMemcached = each((socket) => socket.on("data", () => socket.write("ERROR\r\n")));
/** Begins with a packet of its own, as MySQL does. */
const greetsInBytes = each((socket) => socket.write(Buffer.from("4a0000000a382e302e333600", "hex")));
/** TLS' alert to what is no greeting of it. */
const speaksTls = each((socket) => socket.on("data", () => socket.end(Buffer.from("15030100020246", "hex"))));

/** A server that does not know HELLO, as none did before Redis 6.0, and a few proxies still do. */
async function withoutHello({ onTestFinished }: TestContext): Promise<SandboxServer> {
  const executable = inject("redisExecutable");
  const server = await SandboxServer.start({ executable, args: ["--rename-command", "HELLO", ""] });
  onTestFinished(() => server.stop());
  return server;
}

/** The same that says in INFO that it is Redis 5, which can't be had everywhere. */
async function isRedis5(context: TestContext): Promise<string> {
  const { port } = await withoutHello(context);
  const older = (bytes: Buffer): Buffer =>
    Buffer.from(bytes.toString("latin1").replace(/(redis_version):\d/, "$1:5"), "latin1");
  return each((socket) => {
    const server = connect(port, "127.0.0.1", () => socket.pipe(server));
    server.on("data", (bytes: Buffer) => socket.write(older(bytes)));
    server.on("error", () => {});
    socket.on("close", () => server.destroy());
  })(context);
}

const isSilent = each(() => {});
const hangsUp = each((socket) => socket.destroy());
const isNotThere: Start = async () => `127.0.0.1:${await freePort()}`;
const isPlainRedis: Start = () => Promise.resolve(new URL(serverUrl()).host);

/** All at once: some are tried for as long as connecting may take, which must be longer than a machine stands still. */
describe.concurrent("a server that is not what was meant: one line with what to do, exit 3", () => {
  test.for<[string, Start, string[], RegExp]>([
    ["a web server", speaksHttp, [], /does not speak Redis' protocol: a wrong port\?/],
    ["a server that greets", greets, [], /does not speak Redis' protocol/],
    ["a web server, as a cluster", speaksHttp, ["--cluster"], /does not speak Redis' protocol/],
    ["memcached", isMemcached, [], /does not speak Redis' protocol/],
    ["MySQL", greetsInBytes, [], /does not speak Redis' protocol/],
    ["a TLS port", speaksTls, [], /does not speak Redis' protocol|use rediss:\/\//],
    ["one that hangs up at once", hangsUp, [], /the server closed the connection/],
    ["a silent one", isSilent, [], /timed out/],
    ["Redis 5", isRedis5, [], /: it is Redis 5\.\S+, and streamctl needs Redis 6\.0 or newer: upgrade it/],
    ["nothing, as a cluster", isNotThere, ["--cluster"], /connection refused: check that Redis runs there/],
    [
      "a plain server, as a cluster",
      isPlainRedis,
      ["--cluster"],
      /not part of a cluster: leave --cluster out/,
    ],
  ])("%s", async ([, start, more, expected], context) => {
    const { expect } = context;
    const address = await start(context);
    const result = await cli(["lag", "x", ...more, "--connect-timeout", "4s"], { url: `redis://${address}` });
    expect(result.stderr).toMatch(expected);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
    expect(result.code).toBe(3);
  });

  test("is told by every kind of run, and none of them waits for it to become another", async (context) => {
    const { expect } = context;
    const [web, old] = [await speaksHttp(context), await isRedis5(context)];
    const runs = [
      ["produce", "s", "a=1"],
      ["ls"],
      ["consume", "s", "-f"],
      ["consume", "s", "-g", "g", "--create-group"],
      ["consume", "s", "-g", "g", "--create-group", "--exec", "cat"],
      ["lag", "s", "--watch"],
      ["serve-metrics", "--metrics-port", "0"],
      ["doctor"],
    ];
    for (const address of [web, old]) {
      for (const argv of runs) {
        const result = await cli([...argv, "--connect-timeout", "60s"], { url: `redis://${address}` });
        expect([argv, result.stdout]).toEqual([argv, ""]);
        expect([argv, result.stderr]).toEqual([
          argv,
          expect.stringMatching(/^[^\n]*(does not speak Redis' protocol|needs Redis 6\.0 or newer)[^\n]*\n$/),
        ]);
        expect([argv, result.code]).toEqual([argv, 3]);
      }
    }
  });

  test("a server that is new enough is taken, though HELLO is renamed", async (context) => {
    const { expect } = context;
    const { url } = await withoutHello(context);
    const { code, stdout } = await cli(["produce", "s", "a=1"], { url });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+-0\n$/);
  });

  test.for<[string, Start, RegExp]>([
    ["a plain server", isPlainRedis, /no Sentinel answers at .*, but something else: --sentinel takes/],
    ["a web server", speaksHttp, /no Sentinel answers at .*, but something else/],
    [
      "nothing",
      isNotThere,
      /no Sentinel at 127\.0\.0\.1:\d+: connection refused: check that Sentinels run there/,
    ],
    ["something silent", isSilent, /no answer/],
  ])("%s as Sentinel", async ([, start, expected], context) => {
    const { expect } = context;
    const sentinel = ["--sentinel", await start(context), "--master", "m"];
    const argv = ["lag", "x", ...sentinel, "--connect-timeout", "4s"];
    const { code, stderr } = await cli(argv, { env: { STREAMCTL_URL: "" } });
    expect(stderr).toMatch(expected);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(3);
  });
});

describe("a signal while connecting", () => {
  /** A run that has connected to a server that says nothing. */
  async function connecting(argv: readonly string[], context: TestContext): Promise<CliRun> {
    const server = createServer(() => {});
    const connected = once(server, "connection");
    const run = new CliRun(argv, { url: `redis://${await listening(server, context)}` });
    await connected;
    return run;
  }

  test.for<[string, string[]]>([
    ["a worker", ["consume", "s", "-g", "g", "--exec", "cat"]],
    ["a group's reader", ["consume", "s", "-g", "g"]],
    ["a follower", ["consume", "s", "-f"]],
    ["an exporter", ["serve-metrics", "--metrics-port", "0"]],
    ["a watch", ["lag", "s", "--watch"]],
  ])("is a clean end of %s", async ([, argv], context) => {
    const run = await connecting(argv, context);
    run.signal("SIGTERM");
    const { code, stderr } = await run.done;
    expect(stderr).not.toContain("error");
    expect(code).toBe(0);
  });

  test("ends what has a result to give with 128 + n", async (context) => {
    const run = await connecting(["lag", "s"], context);
    run.signal("SIGTERM");
    expect((await run.done).code).toBe(143);
  });
});
