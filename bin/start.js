"use strict";

require("node:module").enableCompileCache?.();
void import("../dist/main.js").then(async ({ run }) => {
  process.exitCode = await run();
});
