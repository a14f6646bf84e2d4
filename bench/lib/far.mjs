// A Redis that is far away, and the same one near: both behind a proxy, which differ in the delay alone.
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { median } from "./measure.mjs";

const PROXY = fileURLToPath(new URL("delay-proxy.mjs", import.meta.url));

/**
 * Starts a proxy that delays each way. `takeTurns` gives the round trips that clients have made since it was
 * last asked, over all of them; `pingMs` is what one round trip really takes.
 * @returns {Promise<{url: string, pingMs: number, takeTurns: () => Promise<number>, stop: () => Promise<void>}>}
 */
export async function startProxy(redisUrl, delayMs) {
  const { hostname, port } = new URL(redisUrl);
  const child = fork(PROXY, [hostname, port, String(delayMs)]);
  const ended = once(child, "exit");
  const [{ port: listening }] = await once(child, "message");
  const takeTurns = async () => {
    child.send("take");
    const [{ turns }] = await once(child, "message");
    return turns;
  };
  const proxy = {
    url: `redis://127.0.0.1:${listening}`,
    pingMs: await measurePing(listening),
    takeTurns,
    stop: async () => {
      child.kill();
      await ended;
    },
  };
  await takeTurns();
  return proxy;
}

async function measurePing(port) {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  const times = [];
  for (let n = 0; n < 21; n++) {
    const start = performance.now();
    socket.write("PING\r\n");
    await once(socket, "data");
    times.push(performance.now() - start);
  }
  socket.destroy();
  return median(times);
}
