/** The calls of a worker to taskrunner's gRPC service TaskExecutor. */

import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

// A program of your own has a copy of this file beside it.
const PROTO = fileURLToPath(new URL("../../proto/taskrunner/v1/task_executor.proto", import.meta.url));
const MESSAGES = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };
// A server that has vanished is noticed within a minute; it allows a ping every ten seconds.
const CHANNEL = {
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 10_000,
  // The server bounds its answers, but for a single task as large as it takes.
  "grpc.max_receive_message_length": -1,
};
// Seconds. The pauses between two tries of a call double, up to the longest.
const CALL_TIMEOUT = 30;
const FIRST_PAUSE = 0.2;
const LONGEST_PAUSE = 15;
const { status } = grpc;
// Errors that a retry cannot fix: somebody has to change something first.
const REFUSALS = new Set([
  status.INVALID_ARGUMENT,
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
  status.NOT_FOUND,
  status.FAILED_PRECONDITION,
  status.UNIMPLEMENTED,
]);

export class Connection {
  #client;
  #closing = new AbortController();
  #metadata = new grpc.Metadata();

  /** Without `credentials` (`grpc.credentials.createSsl(...)`), nothing is encrypted. */
  constructor(address, { key, credentials = grpc.credentials.createInsecure() } = {}) {
    const { TaskExecutor } = grpc.loadPackageDefinition(protoLoader.loadSync(PROTO, MESSAGES)).taskrunner.v1;
    this.#client = new TaskExecutor(address, credentials, CHANNEL);
    if (key) this.#metadata.set("authorization", `Bearer ${key}`);
  }

  /** `signal` ends the call early. */
  call(method, request, { timeout = CALL_TIMEOUT, signal } = {}) {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + timeout * 1000;
      const call = this.#client[method](request, this.#metadata, { deadline }, (error, answer) => {
        signal?.removeEventListener("abort", cancel);
        error ? reject(error) : resolve(answer);
      });
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel);
      if (signal?.aborted) cancel();
    });
  }

  get isClosed() {
    return this.#closing.signal.aborted;
  }

  /** Repeats a call that may be repeated, until it is answered or refused; `signal` ends the trials. */
  async callUntilAnswered(method, request, { signal = this.#closing.signal } = {}) {
    const backoff = new Backoff(signal);
    for (;;) {
      try {
        return await this.call(method, request, { signal });
      } catch (error) {
        if (signal.aborted || isRefusal(error)) throw error;
        console.error(`${method}, trying again: ${error.message}`);
        await backoff.wait();
      }
    }
  }

  close() {
    this.#closing.abort();
    this.#client.close();
  }
}

/** The pauses between trials. */
export class Backoff {
  #pause = FIRST_PAUSE;
  #signal;

  constructor(signal) {
    this.#signal = signal;
  }

  /** Ends early, without an error, when the signal comes. */
  async wait() {
    // Workers that have lost the same server do not all come back at once.
    const milliseconds = this.#pause * 1000 * (0.5 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    await sleep(milliseconds, undefined, { signal: this.#signal }).catch(() => {});
  }
}

/** Whether the call must not be repeated as it is. */
export function isRefusal(error) {
  return REFUSALS.has(error.code) || isTooLarge(error);
}

function isTooLarge(error) {
  return error.code === status.RESOURCE_EXHAUSTED && error.details.includes("larger than max");
}
