/**
 * RemoteWorker runs functions for the tasks of remote executors, which it leases over gRPC.
 *
 *   const worker = new RemoteWorker("localhost:50051", { resize: async (task) => ({ width: 120 }) });
 *   process.on("SIGTERM", () => worker.stop());
 *   await worker.run();
 */

import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { Backoff, Connection } from "./connection.mjs";
import { duration, endOf, seconds } from "./endings.mjs";
import { Ends } from "./ends.mjs";

export { Cancel, Fail, Retry, Snooze } from "./endings.mjs";

// Seconds. A poll may take a little longer than the server waits. Handlers that are told to stop get a moment,
// and then the server a moment to hear of the last ends.
const LONGEST_POLL = 30;
const POLL_MARGIN = 10;
const LAST_MOMENT = 1;
const LAST_CALL = 5;
// The server takes no more leases in one call.
const MOST_BEATS = 500;
const PROGRESS_INTERVAL = 1;
const LONGEST_TIMER = 2 ** 31 / 1000 - 1;
// After which an attempt is to stop: nobody listens to how it ends.
const OVER = ["LEASE_STATE_CANCELLED", "LEASE_STATE_LOST", "LEASE_STATE_ENDED"];

export class RemoteWorker {
  #connection;
  #ends;
  #handlers;
  #options;
  #stopping = new AbortController();
  #graceOver = new AbortController();
  #running = new Set();
  #isBeating = false;

  /**
   * `handlers` has a function for each executor, which gets a task: `data`, `json` (the data as it was spelt),
   * `id`, `attempt`, `executor`, `labels`, `progress(fraction, message)`, and `signal`, which is aborted when it
   * has to stop. What it returns is the result, as JSON. `concurrency` tasks of each executor run at a time.
   */
  constructor(address, handlers, { key, credentials, name, concurrency = 10, grace = 20 } = {}) {
    this.#connection = new Connection(address, { key, credentials });
    this.#ends = new Ends(this.#connection);
    this.#handlers = handlers;
    this.#options = { name: name ?? `${hostname().slice(0, 50)}-${process.pid}`, concurrency, grace };
  }

  /** Works until `stop`. Rejects if the server does not take this worker: a wrong key, or no such executor. */
  async run() {
    try {
      await this.#work();
    } finally {
      this.#connection.close();
    }
  }

  /** Leases nothing more, lets tasks run for `grace` seconds, and gives back those left; again: without grace. */
  stop() {
    if (this.#stopping.signal.aborted) this.#graceOver.abort();
    else console.error(`stopping; ${this.#running.size} tasks still run`);
    this.#stopping.abort();
  }

  async #work() {
    const names = Object.keys(this.#handlers);
    const rules = await Promise.all(names.map((each) => this.#register(each)));
    if (this.#stopping.signal.aborted) return;
    console.error(`${this.#options.name} serves ${names.join(", ")}`);
    const every = Math.min(...rules.map((each) => seconds(each.heartbeat)));
    const beating = setInterval(() => this.#beat(every), Math.min(every, PROGRESS_INTERVAL) * 1000);
    try {
      await Promise.all(names.map((each, place) => this.#lease(each, rules[place])));
      await within(this.#options.grace, this.#allEnded(), this.#graceOver.signal);
      await this.#giveBack();
      await within(LAST_CALL, this.#ends.allReported());
    } finally {
      clearInterval(beating);
    }
  }

  async #register(executor) {
    const request = { executor, worker: this.#options.name };
    const { signal } = this.#stopping;
    try {
      return await this.#connection.callUntilAnswered("RegisterWorker", request, { signal });
    } catch (error) {
      if (!signal.aborted) throw new Error(`executor ${executor}: ${error.message}`);
    }
  }

  async #lease(executor, rules) {
    const { name, concurrency } = this.#options;
    const { signal } = this.#stopping;
    const slots = new Set();
    const wait = Math.min(seconds(rules.max_wait), LONGEST_POLL);
    let backoff = new Backoff(signal);
    while (!signal.aborted) {
      if (slots.size >= concurrency) {
        await within(LONGEST_POLL, Promise.race(slots), signal);
        continue;
      }
      const most = Math.min(concurrency - slots.size, rules.max_tasks);
      const request = { executor, worker: name, max_tasks: most, wait: duration(wait) };
      let answer;
      try {
        answer = await this.#connection.call("GetNextTasks", request, { timeout: wait + POLL_MARGIN, signal });
      } catch (error) {
        if (signal.aborted) return;
        console.error(`no tasks of ${executor}, asking again: ${error.message}`);
        await backoff.wait();
        continue;
      }
      backoff = new Backoff(signal);
      for (const leased of answer.tasks) {
        const ended = this.#run(leased, executor).finally(() => slots.delete(ended));
        slots.add(ended);
      }
    }
  }

  async #run(leased, executor) {
    const controller = new AbortController();
    const attempt = { leased, controller, beatAt: performance.now(), isOver: false, progress: null, told: null };
    const task = {
      data: leased.data_json ? JSON.parse(leased.data_json) : null,
      json: leased.data_json,
      id: leased.id,
      attempt: leased.attempt,
      executor,
      labels: leased.labels,
      signal: controller.signal,
      progress: (fraction, message = "") => {
        attempt.progress = { fraction, message };
      },
    };
    attempt.ended = this.#endOf(task, seconds(leased.timeout), controller);
    this.#running.add(attempt);
    const end = await attempt.ended;
    this.#running.delete(attempt);
    if (!attempt.isOver) this.#ends.add(leased, end);
  }

  /** Never rejects. A handler that is still busy after the timeout is written off. */
  async #endOf(task, timeout, controller) {
    const timer = new AbortController();
    const timeIsUp = sleep(Math.min(timeout, LONGEST_TIMER) * 1000, undefined, timer).then(() => {
      const late = new Error(`The handler did not end within its timeout of ${timeout} s.`);
      controller.abort(late);
      throw late;
    });
    try {
      const handling = (async () => this.#handlers[task.executor](task))();
      const result = await Promise.race([handling, timeIsUp]);
      return { completed: { result_json: JSON.stringify(result) ?? "" } };
    } catch (error) {
      return endOf(error);
    } finally {
      timer.abort();
      timeIsUp.catch(() => {});
    }
  }

  /** Extends the leases of what runs, and tells its progress. */
  async #beat(every) {
    const now = performance.now();
    const due = [...this.#running].filter(
      (each) => now - each.beatAt >= every * 1000 || each.progress !== each.told,
    );
    if (!due.length || this.#isBeating) return;
    this.#isBeating = true;
    try {
      for (let from = 0; from < due.length; from += MOST_BEATS) {
        await this.#beatFor(due.slice(from, from + MOST_BEATS), now, every);
      }
    } finally {
      this.#isBeating = false;
    }
  }

  async #beatFor(due, now, every) {
    const told = due.map((each) => each.progress);
    const leases = due.map(({ leased: { id, token }, progress }) => ({ id, token, progress }));
    let answer;
    try {
      answer = await this.#connection.call("Heartbeat", { leases }, { timeout: every });
    } catch (error) {
      console.error(`no heartbeat, trying again: ${error.message}`);
      return;
    }
    answer.leases.forEach(({ state }, place) => {
      const attempt = due[place];
      Object.assign(attempt, { beatAt: now, told: told[place] });
      if (OVER.includes(state)) this.#abandon(attempt, `the lease is ${state.slice(12).toLowerCase()}`);
    });
  }

  /** Attempts that go on elsewhere, uncounted. Handlers have a moment to stop, so as not to run in two places. */
  async #giveBack() {
    const left = [...this.#running];
    for (const each of left) this.#abandon(each, "the worker stops");
    await within(LAST_MOMENT, this.#allEnded());
    for (const { leased } of left) this.#ends.add(leased, { snoozed: { reason: "the worker stops" } });
  }

  #abandon(attempt, why) {
    attempt.isOver = true;
    attempt.controller.abort(new Error(why));
  }

  async #allEnded() {
    await Promise.all([...this.#running].map((each) => each.ended));
  }
}

/** Until the promise or the signal has come, or the time is over. */
async function within(limit, promise, signal) {
  const timer = new AbortController();
  const abort = () => timer.abort();
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  const over = sleep(limit * 1000, undefined, { signal: timer.signal }).catch(() => {});
  await Promise.race([promise, over]);
  signal?.removeEventListener("abort", abort);
  abort();
}
