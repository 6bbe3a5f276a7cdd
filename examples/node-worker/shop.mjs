/**
 * Handlers of a small shop: a parcel label for an order, and a look at a supplier's stock. docs/grpc.md says how to
 * run it.
 */

import { setTimeout as sleep } from "node:timers/promises";

import { Fail, RemoteWorker, Retry } from "./worker.mjs";

const STOCK = { tea: 12, coffee: 0 };

/** Its result is shown with the task, and its progress meanwhile. */
async function printLabel({ data, progress, signal }) {
  progress(0.5, "asking the carrier");
  await sleep(10, undefined, { signal }); // where a client of the carrier would wait
  return { parcel: `P-${data.order}` };
}

function lookAtStock({ data, attempt }) {
  if (!(data.article in STOCK)) throw new Fail(`there is no article ${data.article}`);
  if (STOCK[data.article] === 0 && attempt === 1) throw new Retry("sold out; perhaps it comes in", 0.1);
  return STOCK[data.article];
}

const handlers = { print_label: printLabel, check_stock: lookAtStock };
const address = process.env.TASKRUNNER_GRPC ?? "localhost:50051";
const worker = new RemoteWorker(address, handlers, { key: process.env.TASKRUNNER_API_KEY });
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => worker.stop());
await worker.run();
// A handler that is stuck must not keep the process.
process.exit();
