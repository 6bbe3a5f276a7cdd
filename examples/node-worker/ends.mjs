/** Tells the server how attempts ended: many in one call, until it has heard. */

const MOST_UPDATES = 50;

export class Ends {
  #connection;
  #waiting = [];
  #telling = null;

  constructor(connection) {
    this.#connection = connection;
  }

  /** `end` is `{ completed }`, `{ failed }`, `{ snoozed }` or `{ cancelled }`. */
  add({ id, token }, end) {
    this.#waiting.push({ id, token, ...end });
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = null;
    });
  }

  /** Resolves when the server has heard of each. */
  async allTold() {
    await this.#telling;
  }

  async #tellAll() {
    while (this.#waiting.length) await this.#tell(this.#waiting.splice(0, MOST_UPDATES));
  }

  async #tell(updates) {
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
      for (const each of updates) await this.#tell([each]);
      return;
    }
    const [{ id, token, completed }] = updates;
    console.error(`task ${id}: the server refuses how it ended: ${error.message}`);
    if (completed) {
      const failed = { error: `The server refused the result: ${error.details}`, final: true };
      await this.#tell([{ id, token, failed }]);
    }
  }
}
