import { command, type CommandGroup } from "../command.ts";

const show = command({
  name: "show",
  about: "print each setting with where it came from; secrets are masked",
  examples: ["streamctl config show", "streamctl config show --profile production --json"],
  run: () => import("./show-run.ts"),
});

const init = command({
  name: "init",
  about: "write a commented starter file where streamctl looks for it (or to --config FILE)",
  examples: ["streamctl config init", "streamctl config init --config ./streamctl.yaml"],
  withoutConfig: true,
  run: () => import("./init-run.ts"),
});

export const config: CommandGroup = {
  name: "config",
  about: "show or start the configuration",
  notes: "What the files hold: see streamctl help configuration. Variables: see streamctl help environment.",
  commands: [show, init],
};
