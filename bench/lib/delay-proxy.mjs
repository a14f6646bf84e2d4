// A TCP proxy whose far end is far away: each way takes `delayMs` longer, and as much goes through as before,
// since whatever has come is sent on when its own time is due. A process of its own, because the event loop of
// what is measured would delay it. usage: delay-proxy.mjs HOST PORT DELAY_MS, over an IPC channel.
import { connect, createServer } from "node:net";

/** What is on its way at most, in each direction: far more than 5 ms of any loopback. */
const MOST_BYTES = 64 * 1024 * 1024;

const [host, port, delay] = process.argv.slice(2);
const delayMs = Number(delay);
/** How often a client went on sending after something had come: its round trips. */
let turns = 0;

const server = createServer({ allowHalfOpen: true }, (client) => {
  const upstream = connect({ port: Number(port), host, allowHalfOpen: true });
  let answered = true;
  client.setNoDelay(true);
  upstream.setNoDelay(true);
  carry(client, upstream, () => {
    if (answered) turns++;
    answered = false;
  });
  carry(upstream, client, () => (answered = true));
});
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));

process.on("message", () => {
  process.send({ turns });
  turns = 0;
});
process.on("disconnect", () => process.exit());

function carry(from, to, onChunk) {
  /** In order: when each is due, and what; undefined is the end. */
  const line = [];
  let bytes = 0;
  let timer;
  const push = (chunk) => {
    if (delayMs === 0) return send(chunk);
    line.push([performance.now() + delayMs, chunk]);
    bytes += chunk?.length ?? 0;
    if (bytes > MOST_BYTES) from.pause();
    timer ??= setTimeout(deliver, delayMs);
  };
  const deliver = () => {
    const now = performance.now();
    let due = 0;
    while (due < line.length && line[due][0] <= now) {
      const chunk = line[due++][1];
      bytes -= chunk?.length ?? 0;
      send(chunk);
    }
    line.splice(0, due);
    if (bytes <= MOST_BYTES && !to.writableNeedDrain) from.resume();
    // A timer may be early by a fraction of a millisecond, and late by one: the next look is soon.
    timer = line.length === 0 ? undefined : setTimeout(deliver, Math.max(1, line[0][0] - now));
  };
  const send = (chunk) => {
    if (chunk === undefined) to.end();
    else if (!to.write(chunk)) from.pause();
  };
  from.on("data", (chunk) => {
    onChunk();
    push(chunk);
  });
  from.on("end", () => push(undefined));
  from.on("error", () => to.destroy());
  to.on("drain", () => from.resume());
}
