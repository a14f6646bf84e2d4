import { createServer } from "node:net";

/**
 * A port that is free, and none of those that the system gives to connections: who looks for a server while it is away
 * may be given the server's own port, find itself there, and keep it; and a server whose port is chosen before it starts
 * may find it given away. The bus of a cluster's node, 10,000 above, is none of them either.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 12_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise<boolean>((resolve) => {
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
