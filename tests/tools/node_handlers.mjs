/** Handlers for tests of the Node.js worker: `node node_handlers.mjs ADDRESS FOLDER`. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Cancel, Fail, RemoteWorker, Snooze } from "../../examples/node-worker/worker.mjs";

const [address, folder] = process.argv.slice(2);

/** How long a task runs is up to the test: until there is a file of its name, or it has to stop. */
async function wait_for_file({ data, progress, signal }) {
  progress(0.25, "waiting");
  while (!existsSync(join(folder, data))) {
    if (signal.aborted) throw signal.reason;
    await sleep(10);
  }
  return { found: data };
}

const ENDS = {
  raise: () => {
    throw new Error("broken");
  },
  fail: () => {
    throw new Fail("no use");
  },
  cancel: () => {
    throw new Cancel("not wanted");
  },
  large: () => "x".repeat(600_000),
};

/** Ends as the data says; `first` only in the first attempt. */
function end_so({ data, attempt }) {
  if (data === "snooze once" && attempt === 1) throw new Snooze(0.1, "not yet");
  if (data === "raise once" && attempt === 1) throw new Error("broken");
  return ENDS[data]?.() ?? attempt;
}

const worker = new RemoteWorker(address, { wait_for_file, end_so }, { name: "node-1", grace: 600 });
process.on("SIGTERM", () => worker.stop());
await worker.run();
process.exit();
