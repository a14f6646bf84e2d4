// npm run demo: the whole story in under a minute, on a private Redis that is gone afterwards. Orders are
// produced; three workers bill them with a command that fails now and then; one worker is killed; the
// others take over what it held; what can't be billed ends in the dead-letter queue, and part of it goes
// back to work once its cause is mended; and nothing is missing at the end. What it prints behind a $ is the line of shell
// that it runs, so that anybody can type it: with --keep server and files stay until Ctrl-C.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const BIN = new URL("../bin/streamctl.js", import.meta.url).pathname;
const ORDERS = 300;
const STREAM = "orders";
const GROUP = "billing";

/**
 * What each worker runs for each order. Order 13, 63, 113, … has a declined card: no retry will help, which
 * exit 65 says. Order 40, 140 and 240 fails every time, until the addresses are known. Every seventh order fails at its first delivery.
 */
const HANDLER = String.raw`
read -r entry
n=$(printf '%s' "$entry" | sed 's/.*"orderId":"\([0-9]*\)".*/\1/')
sleep 0.1
case $entry in *'"card":"declined"'*) echo "order $n: the card was declined" >&2; exit 65 ;; esac
[ -n "$ADDRESSES_KNOWN" ] || case $entry in *'"address":""'*) echo "order $n: no address to bill" >&2; exit 1 ;; esac
if [ $((n % 7)) -eq 0 ] && [ "$STREAMCTL_DELIVERIES" -eq 1 ]; then echo "order $n: the bank is busy" >&2; exit 75; fi
echo "billed $n"
`;

const RETRIES = "--max-deliveries 3 --retry-delay 300ms --retry-max-delay 1s";
const work = (name) =>
  `streamctl consume ${STREAM} -g ${GROUP} --consumer ${name} --create-group --exec ./bill.sh -j 4 ` +
  `${RETRIES} --claim-idle 2s --until-empty`;

const started = performance.now();
const children = new Set();

function say(text) {
  console.log(`\n${((performance.now() - started) / 1_000).toFixed(1).padStart(5)}s  ${text}`);
}

/** Starts a line of shell in the demo's folder; `done` resolves with its exit code and output. */
function start(line) {
  const child = spawn("/bin/sh", ["-c", line.replace("streamctl ", "exec streamctl ")], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      PATH: [join(folder, "bin"), process.env.PATH].join(delimiter),
      ...(url && { STREAMCTL_URL: url }),
    },
  });
  children.add(child);
  const done = once(child, "close").then(([code]) => {
    children.delete(child);
    return { code, stdout: run.stdout, stderr: run.stderr };
  });
  const run = { child, stdout: "", stderr: "", done };
  child.stdout.on("data", (chunk) => (run.stdout += chunk));
  child.stderr.on("data", (chunk) => (run.stderr += chunk));
  return run;
}

function print(line) {
  console.log(`        $ ${line}`);
}

/** Shows a command and what it prints, and fails when it does. */
async function show(line) {
  print(line);
  const { code, stdout, stderr } = await start(line).done;
  const lines = (stderr + stdout).trimEnd().split("\n").filter(Boolean);
  for (const one of lines.slice(0, 12)) console.log(`        ${one}`);
  if (lines.length > 12) console.log(`        … and ${lines.length - 12} more lines`);
  if (code !== 0) throw new Error(`${line} ended with ${code}`);
}

async function rows(line) {
  const { code, stdout, stderr } = await start(`${line} -o ndjson`).done;
  if (code !== 0) throw new Error(`${line} ended with ${code}: ${stderr}`);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((row) => JSON.parse(row));
}

async function startSandbox() {
  const sandbox = start("streamctl sandbox");
  sandbox.child.stderr.pipe(process.stderr);
  while (!sandbox.stdout.includes("\n")) {
    if (sandbox.child.exitCode !== null) throw new Error("the sandbox did not start");
    await sleep(20);
  }
  return { url: sandbox.stdout.trim(), child: sandbox.child };
}

/** The folder that the lines are run in: the handler, the orders, and a streamctl for PATH. */
async function fillFolder() {
  const program = async (name, text) => {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o755);
  };
  await mkdir(join(folder, "bin"));
  await program("bin/streamctl", `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`);
  await program("bill.sh", `#!/bin/sh${HANDLER}`);
  await writeFile(join(folder, "orders.ndjson"), orders());
}

function orders() {
  const lines = [];
  for (let n = 1; n <= ORDERS; n++) {
    const card = n % 50 === 13 ? "declined" : "ok";
    const address = n % 100 === 40 ? "" : `${n} Harbour Street`;
    lines.push(JSON.stringify({ orderId: String(n), amount: "12.50", card, address }));
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Kills the worker as the OOM killer would, when it has billed some orders and the others of its places are taken: at
 * once, because to look at its pending entries first takes a busy machine longer than the workers need for all orders.
 */
async function killInTheMiddle(worker, name) {
  const some = new Promise((resolve) => {
    worker.child.stdout.on("data", () => billed([worker]).length > 10 && resolve("killed"));
  });
  void some.then(() => worker.child.kill("SIGKILL"));
  await Promise.race([some, worker.done]);
  const { code, stderr } = await worker.done;
  if (code !== null) throw new Error(`${name} ended early: ${stderr}`);
}

/** The numbers of the orders that handlers reported as billed, with repetitions. */
function billed(workers) {
  return workers.flatMap(({ stdout }) => [...stdout.matchAll(/^billed (\d+)$/gm)].map(([, n]) => n));
}

async function story() {
  say(
    "Every line behind a $ can be typed as it stands while this runs (or with npm run demo -- --keep), after:",
  );
  print(`cd ${folder}`);
  print(`export STREAMCTL_URL=${url} PATH="$PWD/bin:$PATH"`);

  say(`${ORDERS} orders go into the stream "${STREAM}". Some can never be billed.`);
  await show(`streamctl produce ${STREAM} < orders.ndjson`);

  say(`Three workers of the group "${GROUP}" run a shell command for every order; it fails now and then.`);
  const names = ["worker-1", "worker-2", "worker-3"];
  names.forEach((name) => print(work(name)));
  const workers = names.map((name) => start(work(name)));

  await killInTheMiddle(workers[0], names[0]);
  say("worker-1 was killed with SIGKILL while it was working. What it held is still pending:");
  await show(`streamctl pending ${STREAM} -g ${GROUP} -o table`);

  say("The others go on, take over its entries when they have been silent for 2 s, and retry failures.");
  const ended = await Promise.all(workers.slice(1).map(({ done }) => done));
  for (const [index, { code, stderr }] of ended.entries()) {
    if (code !== 0) throw new Error(`${names[index + 1]} ended with ${code}: ${stderr}`);
  }

  say("The group has drained: no lag, nothing pending.");
  await show(`streamctl lag ${STREAM} -o table`);

  say("What could not be billed is in the dead-letter queue, each with its reason.");
  await show(`streamctl dlq list ${STREAM} --by reason -o table`);
  await show(`streamctl dlq list ${STREAM} --limit 3 -o ndjson`);

  say("The missing addresses have been found: those letters go back to the group, and a worker bills them.");
  await show(`streamctl dlq replay ${STREAM} --reason 'exit 1' -y`);
  const last = `ADDRESSES_KNOWN=1 ${work("worker-4")}`;
  print(last);
  const mended = start(last);
  const { code, stderr } = await mended.done;
  if (code !== 0) throw new Error(`the last worker ended with ${code}: ${stderr}`);
  await show(`streamctl dlq list ${STREAM} --by reason -o table`);
  await show(`streamctl lag ${STREAM} -o table`);
  return tally([...workers, mended]);
}

/** Counts from both ends: what handlers reported, and what stands in the dead-letter queue. */
async function tally(workers) {
  const [lag] = await rows(`streamctl lag ${STREAM}`);
  const dead = (await rows(`streamctl dlq list ${STREAM}`)).map(({ fields }) => fields.orderId);
  const reports = billed(workers);
  const handled = new Set(reports);
  const again = reports.length - handled.size;
  if (again > 0) say(`${again} of the orders were billed twice: the kill came between the work and its ack.`);
  const all = new Set([...handled, ...dead]);
  const adds =
    all.size === ORDERS && handled.size + dead.length === ORDERS && lag.lag === 0 && lag.pending === 0;
  const line = `produced ${ORDERS} ${adds ? "=" : "≠"} handled ${handled.size} + dead-lettered ${dead.length}`;
  say(line);
  return adds;
}

const folder = await mkdtemp(join(tmpdir(), "streamctl-demo-"));
let sandbox;
let url;
const interrupted = Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
try {
  await fillFolder();
  sandbox = await startSandbox();
  ({ url } = sandbox);
  say(`A private Redis is at ${url}; it goes when this ends.`);
  const ended = await Promise.race([story(), interrupted]);
  process.exitCode = ended === true ? 0 : 1;
  if (ended === true && process.argv.includes("--keep")) {
    say(`Server and ${folder} stay until Ctrl-C.`);
    await interrupted;
  }
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
} finally {
  sandbox?.child.kill("SIGTERM");
  for (const child of children) if (child !== sandbox?.child) child.kill("SIGKILL");
  while (children.size > 0) await sleep(20);
  await rm(folder, { recursive: true, force: true });
}
