import { argument, command } from "./command.ts";

export const completion = command({
  name: "completion",
  about: "print a script that completes commands and flags in a shell",
  args: [argument("<shell>", "which shell", ["bash", "zsh", "fish"])],
  examples: [
    `echo 'eval "$(streamctl completion bash)"' >> ~/.bashrc`,
    'streamctl completion zsh > "${fpath[1]}/_streamctl"',
    "streamctl completion fish > ~/.config/fish/completions/streamctl.fish",
  ],
  withoutConfig: true,
  run: () => import("./completion-run.ts"),
});
