import { argument, command } from "./command.ts";

/**
 * What completion scripts call for names that only the server or the configuration knows, with the line up to
 * the cursor.
 */
export const complete = command({
  name: "__complete",
  about: "",
  hidden: true,
  args: [argument("<line>", "")],
  withoutConfig: true,
  run: () => import("./complete-run.ts"),
});
