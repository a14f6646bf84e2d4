// npm run demo: the whole story in under a minute, on a private Redis that is gone afterwards. Orders are
// produced; three workers bill them with a command that fails now and then; one worker is killed; the
// others take over what it held; what can't be billed ends in the dead-letter queue, and part of it goes
// back to work once its cause is mended; and nothing is missing at the end. Everything is done with the command line that anybody has.
import { spawn } from "node:child_process";
import { once } from "node:events";
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

const RETRIES = ["--max-deliveries", "3", "--retry-delay", "300ms", "--retry-max-delay", "1s"];
const WORK = ["consume", STREAM, "-g", GROUP, "--create-group", "--exec", HANDLER, "-j", "4"].concat(
  RETRIES,
  ["--claim-idle", "2s", "--until-empty"],
);

const started = performance.now();
const children = new Set();

function say(text) {
  console.log(`\n${((performance.now() - started) / 1_000).toFixed(1).padStart(5)}s  ${text}`);
}

/** Starts streamctl; `done` resolves with its exit code and output. */
function streamctl(args, { url, stdin, env } = {}) {
  const child = spawn(process.execPath, [BIN, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env, ...(url && { STREAMCTL_URL: url }) },
  });
  children.add(child);
  const done = once(child, "close").then(([code]) => {
    children.delete(child);
    return { code, stdout: run.stdout, stderr: run.stderr };
  });
  const run = { child, stdout: "", stderr: "", done };
  child.stdout.on("data", (chunk) => (run.stdout += chunk));
  child.stderr.on("data", (chunk) => (run.stderr += chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(stdin ?? "");
  return run;
}

/** Shows a command and what it prints, and fails when it does. */
async function show(url, args, options = {}) {
  console.log(`        $ ${options.shown ?? `streamctl ${args.join(" ")}`}`);
  const { code, stdout, stderr } = await streamctl(args, { url, ...options }).done;
  const lines = (stderr + stdout).trimEnd().split("\n");
  for (const line of lines.slice(0, 12)) console.log(`        ${line}`);
  if (lines.length > 12) console.log(`        … and ${lines.length - 12} more lines`);
  if (code !== 0) throw new Error(`streamctl ${args[0]} ended with ${code}`);
  return stdout;
}

async function rows(url, args) {
  const { code, stdout, stderr } = await streamctl([...args, "-o", "ndjson"], { url }).done;
  if (code !== 0) throw new Error(`streamctl ${args.join(" ")} ended with ${code}: ${stderr}`);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

async function startSandbox() {
  const sandbox = streamctl(["sandbox"]);
  sandbox.child.stderr.pipe(process.stderr);
  while (!sandbox.stdout.includes("\n")) {
    if (sandbox.child.exitCode !== null) throw new Error("the sandbox did not start");
    await sleep(20);
  }
  return { url: sandbox.stdout.trim(), child: sandbox.child };
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

/** Waits until the worker named first has entries in its hands, and kills it as the OOM killer would. */
async function killInTheMiddle(url, worker, name) {
  for (;;) {
    if (worker.child.exitCode !== null) throw new Error(`${name} ended early: ${worker.stderr}`);
    if (billed([worker]).length > 10) {
      const owners = await rows(url, ["pending", STREAM, "-g", GROUP]);
      if (owners.some(({ consumer, pending }) => consumer === name && pending > 0)) break;
    }
    await sleep(50);
  }
  worker.child.kill("SIGKILL");
  await worker.done;
}

/** The numbers of the orders that handlers reported as billed, with repetitions. */
function billed(workers) {
  return workers.flatMap(({ stdout }) => [...stdout.matchAll(/^billed (\d+)$/gm)].map(([, n]) => n));
}

async function story(url) {
  say(`${ORDERS} orders go into the stream "${STREAM}". Some can never be billed.`);
  await show(url, ["produce", STREAM], {
    stdin: orders(),
    shown: `streamctl produce ${STREAM} < orders.ndjson`,
  });

  say(`Three workers of the group "${GROUP}" run a shell command for every order; it fails now and then.`);
  console.log(
    `        $ streamctl consume ${STREAM} -g ${GROUP} --exec ./bill.sh -j 4 ${RETRIES.join(" ")} …   (3 times)`,
  );
  const names = ["worker-1", "worker-2", "worker-3"];
  const workers = names.map((name) => streamctl([...WORK, "--consumer", name], { url }));

  await killInTheMiddle(url, workers[0], names[0]);
  say("worker-1 was killed with SIGKILL while it was working. What it held is still pending:");
  await show(url, ["pending", STREAM, "-g", GROUP, "-o", "table"]);

  say("The others go on, take over its entries when they have been silent for 2 s, and retry failures.");
  const ended = await Promise.all(workers.slice(1).map(({ done }) => done));
  for (const [index, { code, stderr }] of ended.entries()) {
    if (code !== 0) throw new Error(`${names[index + 1]} ended with ${code}: ${stderr}`);
  }

  say("The group has drained: no lag, nothing pending.");
  await show(url, ["lag", STREAM, "-o", "table"]);

  say("What could not be billed is in the dead-letter queue, each with its reason.");
  await show(url, ["dlq", "list", STREAM, "--by", "reason", "-o", "table"]);
  await show(url, ["dlq", "list", STREAM, "--limit", "3", "-o", "ndjson"]);

  say(
    "The missing addresses have been found: those letters go back into the stream, and a worker bills them.",
  );
  await show(url, ["dlq", "replay", STREAM, "--reason", "exit 1", "-y", "-q"]);
  const mended = streamctl(WORK, { url, env: { ADDRESSES_KNOWN: "1" } });
  const { code, stderr } = await mended.done;
  if (code !== 0) throw new Error(`the last worker ended with ${code}: ${stderr}`);
  await show(url, ["dlq", "list", STREAM, "--by", "reason", "-o", "table"]);
  await show(url, ["lag", STREAM, "-o", "table"]);
  return tally(url, [...workers, mended]);
}

/** Counts from both ends: what handlers reported, and what stands in the dead-letter queue. */
async function tally(url, workers) {
  const [lag] = await rows(url, ["lag", STREAM]);
  const dead = (await rows(url, ["dlq", "list", STREAM])).map(({ fields }) => fields.orderId);
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

let sandbox;
try {
  sandbox = await startSandbox();
  say(`A private Redis is at ${sandbox.url}; it goes when this ends.`);
  process.exitCode = (await story(sandbox.url)) ? 0 : 1;
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
} finally {
  sandbox?.child.kill("SIGTERM");
  for (const child of children) if (child !== sandbox?.child) child.kill("SIGKILL");
  while (children.size > 0) await sleep(20);
}
