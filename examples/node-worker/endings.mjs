/**
 * What a handler throws to decide itself what becomes of its task. Any other error means another attempt, as the
 * retry policy of the executor has it.
 */

class Ending extends Error {
  /** `end` is that of a TaskUpdate; see proto/taskrunner/v1/task_executor.proto. */
  constructor(reason, end) {
    super(reason);
    this.end = end;
  }
}

/** The task fails now; another attempt would not help. */
export class Fail extends Ending {
  constructor(reason) {
    super(reason, { failed: { error: reason, final: true } });
  }
}

/** The attempt has failed, and the next one starts `after` seconds from now. */
export class Retry extends Ending {
  constructor(reason, after) {
    super(reason, { failed: { error: reason, retry_after: duration(after) } });
  }
}

/** Not yet: the task starts again in `seconds`, and this attempt does not count. */
export class Snooze extends Ending {
  constructor(seconds, reason = "") {
    super(reason, { snoozed: { delay: duration(seconds), reason } });
  }
}

/** The task is no longer wanted. */
export class Cancel extends Ending {
  constructor(reason = "") {
    super(reason, { cancelled: { reason } });
  }
}

/** How an attempt ended whose handler has thrown `error`. */
export function endOf(error) {
  return error instanceof Ending ? error.end : { failed: { error: String(error) } };
}

export function duration(seconds) {
  const whole = Math.floor(seconds);
  return { seconds: whole, nanos: Math.round((seconds - whole) * 1e9) };
}

export function seconds(duration) {
  return duration.seconds + duration.nanos / 1e9;
}
