import { argument, command } from "./command.ts";

/** What completion scripts call at each Tab, with the line up to the cursor. */
export const complete = command({
  name: "__complete",
  about: "",
  hidden: true,
  args: [argument("<line>", "")],
  withoutConfig: true,
  withoutDefaults: true,
  run: () => import("./complete-run.ts"),
});
