/** Reports the ends of attempts in batches, and retries until the server has answered. */

const MOST_UPDATES = 50;

export class Ends {
  #connection;
  #waiting = [];
  #reporting = null;

  constructor(connection) {
    this.#connection = connection;
  }

  /** `end` is `{ completed }`, `{ failed }`, `{ snoozed }` or `{ cancelled }`. */
  add({ id, token }, end) {
    this.#waiting.push({ id, token, ...end });
    this.#reporting ??= this.#reportAll();
  }

  /** Resolves when the server has heard of each. */
  async allReported() {
    await this.#reporting;
  }

  /** What is added until its last look is reported too; what comes later starts it again. */
  async #reportAll() {
    try {
      do await this.#report(this.#waiting.splice(0, MOST_UPDATES));
      while (this.#waiting.length);
    } finally {
      this.#reporting = null;
    }
  }

  async #report(updates) {
    let results;
    try {
      ({ results } = await this.#connection.callUntilAnswered("UpdateTaskStatus", { updates }));
    } catch (error) {
      if (this.#connection.isClosed) return;
      await this.#afterRefusal(updates, error);
      return;
    }
    for (const { id, answer } of results) {
      // The attempt was over before, as its lease was lost or the task cancelled: nothing has changed.
      if (answer === "UPDATE_ANSWER_LATE") console.error(`task ${id}: its end came too late`);
    }
  }

  /** One update must not keep the others from being heard, nor its task from ending. */
  async #afterRefusal(updates, error) {
    if (updates.length > 1) {
      for (const each of updates) await this.#report([each]);
      return;
    }
    const [{ id, token, completed }] = updates;
    console.error(`task ${id}: the server refuses how it ended: ${error.message}`);
    if (completed) {
      const failed = { error: `The server refused the result: ${error.details}`, final: true };
      await this.#report([{ id, token, failed }]);
    }
  }
}
