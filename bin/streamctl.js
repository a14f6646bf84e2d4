#!/usr/bin/env node
// In the syntax of any Node there is (and CommonJS: bin/package.json), so that one that is too old says so.
"use strict";

var version = process.versions.node.split(".").map(Number);
if (version[0] > 20 || (version[0] === 20 && version[1] >= 19)) require("./start.js");
else {
  var found = process.version + " (" + process.execPath + ")";
  process.stderr.write("streamctl: error: needs Node 20.19 or newer, and this is " + found + "\n");
  process.exitCode = 1;
}
