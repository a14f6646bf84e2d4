// P11, too: the measures of P1, P2 and P3 over TLS and over a unix socket, against the same over plain TCP.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { compare, timeFiles } from "./lib/measure.mjs";
import { fill, mustBeDone, mustHave, redis } from "./lib/redis.mjs";
import { freePort, startSandbox } from "./lib/tools.mjs";

const STREAM = "bench:transport";
const MANY = 500_000;
const SHELLS = 5_000;

const WORK = [
  {
    name: "produce",
    entries: MANY,
    make: async () => {},
    args: ["produce", STREAM],
    check: (tools) => mustHave(tools, STREAM, MANY),
  },
  {
    name: "consume -g and ack",
    entries: MANY,
    make: (tools) => makeGroup(tools, MANY),
    args: ["consume", STREAM, "-g", "g", "--until-empty"],
    check: (tools) => mustBeDone(tools, STREAM),
  },
  {
    name: "dump",
    entries: MANY,
    make: (tools) => fill(tools, STREAM, MANY),
    args: ["consume", STREAM],
    check: async () => {},
  },
  ...[2, 8].map((places) => ({
    name: `exec -j ${places}`,
    entries: SHELLS,
    make: (tools) => makeGroup(tools, SHELLS),
    args: ["consume", STREAM, "-g", "g", "--until-empty", "-j", String(places), "--exec", "cat >/dev/null"],
    check: (tools) => mustBeDone(tools, STREAM),
  })),
];

export async function bench(tools) {
  const server = await startServer(tools);
  const there = { ...tools, redisUrl: server.plain[1] };
  try {
    if (server.tls) await measureOver(there, "TLS", server.tls, server.plain);
    await measureOver(there, "a unix socket", server.socket, server.plain);
  } finally {
    await server.stop();
  }
}

async function measureOver(tools, transport, ways, plain) {
  for (const work of WORK.filter(({ name }) => tools.wants(name))) {
    await compare(tools, {
      id: "P11",
      name: `${work.name} over ${transport}, against plain TCP`,
      unit: "entries/s",
      ours: (streamctl) => rate(tools, [...streamctl, ...work.args, ...ways], work),
      peer: () => rate(tools, [...tools.streamctl, ...work.args, ...plain], work),
    });
  }
}

async function rate(tools, command, { entries, make, check }) {
  await redis(tools, "FLUSHDB");
  await make(tools);
  const input = join(tools.tmp, "transport.in.ndjson");
  const line = '{"orderId":"100000","customer":"customer-7","amount":12.5,"note":"left at the door"}\n';
  writeFileSync(input, command.includes("produce") ? line.repeat(entries) : "");
  const output = join(tools.tmp, "transport.out");
  const ms = await timeFiles([...command, "-q"], { input, output });
  await check(tools);
  return entries / (ms / 1_000);
}

async function makeGroup(tools, entries) {
  await fill(tools, STREAM, entries);
  await redis(tools, "XGROUP", "CREATE", STREAM, "g", "0");
}

/** One server that listens in all ways; `tls` is undefined where it, or openssl, can't. */
async function startServer(tools) {
  const path = join(tools.tmp, "redis.sock");
  const socket = ["--set", `unixsocket=${path}`];
  const tls = await makeCertificate(tools.tmp).catch((error) => {
    console.error(`TLS left out: ${error.message.split("\n")[0]}`);
  });
  const files = tls && [
    `tls-cert-file=${tls.cert}`,
    `tls-key-file=${tls.key}`,
    `tls-ca-cert-file=${tls.cert}`,
  ];
  const secure = tls && [`tls-port=${tls.port}`, "tls-auth-clients=no", ...files];
  const options = secure?.flatMap((setting) => ["--set", setting]) ?? [];
  const sandbox = await startSandbox(process.env, [...socket, ...options]).catch(async (error) => {
    console.error(`TLS left out: ${error.message}`);
    return startSandbox(process.env, socket);
  });
  const works = tls && sandbox.args.length > socket.length;
  return {
    plain: ["-u", sandbox.url],
    socket: ["-u", `unix://${path}`],
    tls: works ? ["-u", `rediss://127.0.0.1:${tls.port}`, "--cacert", tls.cert] : undefined,
    stop: sandbox.stop,
  };
}

async function makeCertificate(folder) {
  const key = join(folder, "tls.key");
  const cert = join(folder, "tls.crt");
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"];
  await promisify(execFile)("openssl", [...kind, ...subject, "-keyout", key, "-out", cert]);
  return { key, cert, port: await freePort() };
}
