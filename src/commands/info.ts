import { argument, command } from "./command.ts";

export const info = command({
  name: "info",
  about: "show everything about a stream",
  args: [argument("<stream...>", "streams or patterns like 'orders:*'")],
  notes: `
A block holds up to stream-node-max-entries entries (100 unless configured otherwise); trimming without
--exact removes whole blocks only.`,
  examples: ["streamctl info orders", "streamctl info 'orders:*' --json"],
  run: () => import("./info-run.ts"),
});
