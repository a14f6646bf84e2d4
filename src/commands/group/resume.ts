import { argument, command } from "../command.ts";

export const resume = command({
  name: "resume",
  about: "end a group's pause",
  args: [argument("<stream>", "the stream"), argument("<group>", "the group")],
  flags: [],
  notes: `
Its workers and readers go on within a second. A group that is not paused is left as it is, with exit 0.`,
  examples: ["streamctl group resume orders billing"],
  run: () => import("./resume-run.ts"),
});
