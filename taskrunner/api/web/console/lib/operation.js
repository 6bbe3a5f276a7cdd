// Operations on many tasks or dead letters: made, and watched until they have ended.
import { ask, Problem } from "./api.js";

const ENDED = ["completed", "stopped", "aborted", "failed"];
// Milliseconds: a change of progress is seen at once, and a long operation is not asked for more than needed.
const FIRST_WAIT = 300;
const LONGEST_WAIT = 3_000;
const AFTER_FAILURE = 1_000;

/** @param {number} wait milliseconds */
const pause = (wait) => new Promise((done) => setTimeout(done, wait));

/** The pattern of a rate, for inputs; without a unit, it is per second. */
export const RATE = "[0-9]+(\\.[0-9]+)?(/[smh])?";

/**
 * Make an operation and tell how far it is until it has ended. It runs on the server: a question that fails is asked again.
 * After `signal`, it goes on there, nobody asks any more, and the promise is rejected.
 * @param {Record<string, unknown>} draft @param {AbortSignal} signal @param {(operation: any, problem: Problem | null) => void} [tell]
 * @returns {Promise<any>} as it ended
 */
export async function operate(draft, signal, tell = () => {}) {
  let operation = await ask("operations", { method: "POST", body: draft });
  signal.throwIfAborted();
  tell(operation, null);
  for (let wait = FIRST_WAIT; !ENDED.includes(operation.status); wait = Math.min(wait * 1.3, LONGEST_WAIT)) {
    await pause(wait);
    signal.throwIfAborted();
    try {
      operation = await ask(`operations/${operation.id}`, { signal });
      tell(operation, null);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Problem && error.passes)) throw error;
      tell(operation, error);
      await pause(Math.max(AFTER_FAILURE, error.retryAfter * 1000));
    }
  }
  signal.throwIfAborted();
  return operation;
}

/**
 * Why the operation was refused for some, each kind once, the most frequent first. The API tells it for the first twenty.
 * @param {{id: string, reason: string}[]} refusals @returns {{reason: string, ids: string[]}[]}
 */
export function refusedFor(refusals) {
  /** @type {Map<string, string[]>} */
  const kinds = new Map();
  for (const { id, reason } of refusals) {
    const kind = reason.replaceAll(id, "…");
    kinds.set(kind, [...(kinds.get(kind) ?? []), id]);
  }
  return [...kinds].map(([reason, ids]) => ({ reason, ids })).sort((one, other) => other.ids.length - one.ids.length);
}
