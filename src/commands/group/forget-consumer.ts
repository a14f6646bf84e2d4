import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { requiredGroup } from "../flags.ts";

const flags = [
  requiredGroup("a consumer of which group? Give it with -g GROUP"),
  flag.text("--claim-to <consumer>", "give what it holds to this consumer first", {
    not: { any: ["--all-empty"], says: " goes with a consumer: those that go hold nothing" },
  }),
  flag.switch("--all-empty", "every consumer that holds nothing and was idle for --idle", {
    not: { any: ["[consumer]"], says: "give either a consumer or --all-empty" },
  }),
  flag.duration("--idle <duration>", "with --all-empty: not heard of for this long", {
    default: "1d",
    needs: "--all-empty",
  }),
  flag.switch("--dry-run", "with --all-empty: only show which would go"),
] as const;

export type ForgetFlags = FlagsOf<typeof flags>;

export const forgetConsumer = command({
  name: "forget-consumer",
  about: "remove a consumer that holds nothing, or all such that are idle",
  args: [argument("<stream>", "the stream"), argument("[consumer]", "the consumer")],
  flags,
  notes: `
It refuses while the consumer holds entries: Redis would throw them away with it. With --claim-to they move,
and nothing is lost even while the consumer goes on reading.

With --all-empty each consumer is looked at once more in the step that removes it. One that is alive all the
same loses nothing: its next read makes it anew.`,
  examples: [
    "streamctl group forget-consumer orders worker-1 -g billing --claim-to worker-2",
    "streamctl group forget-consumer orders -g billing --all-empty --idle 1d --dry-run",
  ],
  run: () => import("./forget-consumer-run.ts"),
});
