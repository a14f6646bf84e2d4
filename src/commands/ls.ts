import { argument, command } from "./command.ts";

export const ls = command({
  name: "ls",
  about: "list streams",
  args: [argument("[pattern]", "a stream, or a pattern like 'orders:*' (default: every stream)")],
  notes: "Dead-letter queues are left out, unless the pattern ends as their names do.",
  examples: ["streamctl ls", "streamctl ls 'orders:*' -o csv", "streamctl ls '*:dlq'"],
  run: () => import("./ls-run.ts"),
});
