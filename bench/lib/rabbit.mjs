// A private RabbitMQ of one queue, where Debian's rabbitmq-server and amqp-tools are installed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { measuredEnvironment, run } from "./measure.mjs";
import { freePort, isExecutable } from "./tools.mjs";

const SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const QUEUE = "bench";
const START_MS = 120_000;

/** Undefined where it is not installed; that is told. */
export async function startRabbit(tools) {
  if (tools.against) return undefined;
  const consumer = await run("sh", ["-c", "command -v amqp-consume amqp-publish amqp-get"]).catch(() => {});
  if (!isExecutable(SERVER) || !consumer) {
    console.error("amqp-consume left out: it needs Debian's packages amqp-tools and rabbitmq-server");
    return undefined;
  }
  const port = await freePort();
  const home = join(tools.tmp, "rabbit");
  mkdirSync(home, { recursive: true });
  const env = {
    HOME: home,
    ERL_EPMD_PORT: String(await freePort()),
    RABBITMQ_NODENAME: `bench${process.pid}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(await freePort()),
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_MNESIA_BASE: home,
    RABBITMQ_LOG_BASE: home,
    RABBITMQ_CONFIG_FILE: join(home, "none"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, "plugins"),
  };
  const server = spawn(SERVER, { stdio: "ignore", env: measuredEnvironment(env) });
  const ended = once(server, "exit");
  const stop = async () => {
    server.kill();
    await ended;
    // Erlang's list of nodes stays by itself.
    await run("epmd", ["-kill"], { env }).catch(() => {});
  };
  const at = ["--server=127.0.0.1", `--port=${port}`];
  try {
    await untilDeclared(at, server);
  } catch (error) {
    await stop();
    console.error(`amqp-consume left out: ${error.message}`);
    return undefined;
  }
  return {
    stop,
    /** Puts messages of a number each into the queue. */
    fill: (messages) => {
      const numbers = Array.from({ length: messages }, (_, n) => n).join("\n");
      return run("amqp-publish", [...at, "-r", QUEUE, "-l"], { input: `${numbers}\n` });
    },
    /** Runs a command for each message; wall time in ms. */
    consume: async (messages, ahead, command) => {
      const limits = ["-q", QUEUE, "-c", String(messages), "-p", String(ahead)];
      return (await run("amqp-consume", [...at, ...limits, "--", ...command])).ms;
    },
  };
}

async function untilDeclared(at, server) {
  const end = Date.now() + START_MS;
  for (;;) {
    if (server.exitCode !== null) throw new Error(`rabbitmq-server ended with ${server.exitCode}`);
    const declared = await run("amqp-declare-queue", [...at, "-q", QUEUE]).catch((error) => error);
    if (!(declared instanceof Error)) return;
    if (Date.now() > end) throw declared;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
