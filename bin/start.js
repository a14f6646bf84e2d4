"use strict";
// Loads dist/, a chunk at a time, and keeps what V8 compiled of them for the next run of the same command.
//
// Node's own compile cache is there from 22.8 on and saves half as much. This one is a file for each command and Node, in
// streamctl/code of $XDG_CACHE_HOME (~/.cache): a line of JSON with names and lengths, then V8's data of each chunk. Whatever
// is in it runs as code, so it is read only where it is this user's and nobody else can write it. Data of another V8,
// or of other flags of it, V8 refuses by itself; bytes that changed it does not notice, so a file is synced to the disk
// before it gets its name. Node's variables hold: NODE_DISABLE_COMPILE_CACHE=1, and NODE_COMPILE_CACHE for another folder.
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const OLD_MS = 90 * 86_400_000;

const { argv, env } = process;
const dist = `${__dirname}/../dist/`;
const modules = new Map();
/** What was compiled or read, and V8's data of the last run, by name; the main file by its text, for it has no hash in its name. */
const scripts = new Map();
let cache;
let complete = true;

if (!printVersion()) {
  const home = cacheHome();
  const file = home && `${home}/streamctl/code/${commandName()}-${process.version}-${process.arch}`;
  if (file) cache = read(file);
  load("./main.cjs")
    .run()
    .then(({ code, written }) => {
      process.exitCode = code;
      if (file && !complete && code === 0) write(home, file);
      if (written) process.exit();
    });
}

/** Asking for the version loads no program; what is wrong with stdout is for the program to say. */
function printVersion() {
  if (argv.length !== 3 || (argv[2] !== "--version" && argv[2] !== "-V")) return false;
  try {
    fs.writeSync(1, `${require("../package.json").version}\n`);
    return true;
  } catch {
    return false;
  }
}

/** `require` of a chunk. */
function load(wanted) {
  if (!wanted.startsWith(".")) return require(wanted);
  const name = wanted.slice(wanted.lastIndexOf("/") + 1);
  const known = modules.get(name);
  if (known) return known.exports;
  const isMain = name === "main.cjs";
  const filename = isMain ? dist + name : `${dist}chunks/${name}`;
  const source = fs.readFileSync(filename, "latin1");
  const key = isMain ? source : name;
  const cachedData = cache?.get(key);
  // Another build's: its chunks are not kept.
  if (isMain && !cachedData) cache = undefined;
  const script = new vm.Script(source, { filename, cachedData });
  if (!cachedData || script.cachedDataRejected) complete = false;
  scripts.set(key, script);
  const module = { exports: {} };
  modules.set(name, module);
  script.runInThisContext()(module.exports, load, module);
  return module.exports;
}

/** Where caches are; undefined for none. */
function cacheHome() {
  if (env.NODE_DISABLE_COMPILE_CACHE) return undefined;
  const home = env.NODE_COMPILE_CACHE || env.XDG_CACHE_HOME || (env.HOME && `${env.HOME}/.cache`);
  return home?.startsWith("/") ? home : undefined;
}

/** Commands run different code. A word that is none ends with exit 2, which writes nothing. */
function commandName() {
  return /^[a-z_]+(-[a-z]+)?$/.test(argv[2]) ? argv[2] : "help";
}

/** V8's data by name; undefined when there is none to be trusted. */
function read(file) {
  let fd;
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    const { uid, mode, size } = fs.fstatSync(fd);
    if (uid !== process.geteuid() || (mode & 0o022) !== 0) return undefined;
    const bytes = Buffer.allocUnsafeSlow(size);
    fs.readSync(fd, bytes, 0, size, 0);
    let at = bytes.indexOf("\n") + 1;
    const found = new Map();
    for (const [name, length] of JSON.parse(bytes.latin1Slice(0, at))) {
      found.set(name, bytes.subarray(at, at + length));
      at += length;
    }
    return at === size ? found : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** With what this run compiled; what it did not load, as another subcommand does, stays. Failing is no error. */
function write(home, file) {
  const temporary = `${file}-${process.pid}-${Date.now()}`;
  let fd;
  try {
    const folder = makeFolder(home);
    if (!folder) return;
    removeOld(folder);
    fd = fs.openSync(temporary, "wx", 0o600);
    const made = new Map(cache);
    for (const [name, script] of scripts) made.set(name, script.createCachedData());
    const header = JSON.stringify([...made].map(([name, { length }]) => [name, length]));
    fs.writeFileSync(fd, Buffer.concat([Buffer.from(`${header}\n`, "latin1"), ...made.values()]));
    fs.fsyncSync(fd);
    fs.renameSync(temporary, file);
  } catch {
    if (fd !== undefined) fs.rmSync(temporary, { force: true });
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** Undefined in somebody else's home, where sudo would leave folders of root's, and where there is no home. */
function makeFolder(home) {
  const folders = [path.dirname(home), home, `${home}/streamctl`, `${home}/streamctl/code`];
  const nearest = folders.findLast((one) => fs.existsSync(one));
  if (!nearest || fs.statSync(nearest).uid !== process.geteuid()) return undefined;
  for (const one of folders.slice(folders.indexOf(nearest) + 1)) fs.mkdirSync(one, { mode: 0o700 });
  return folders.at(-1);
}

/** Of Nodes that are no longer used, and of writes that were interrupted. */
function removeOld(folder) {
  for (const name of fs.readdirSync(folder)) {
    const { mtimeMs } = fs.statSync(`${folder}/${name}`);
    if (Date.now() - mtimeMs > OLD_MS) fs.rmSync(`${folder}/${name}`, { force: true });
  }
}
