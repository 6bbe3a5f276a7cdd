// Follows what changes: the stream of events (read by fetch, so that a refusal is known), and lists of tasks that stay still.
import { ask, live, Problem, send, useAsk, useCell, withQuery } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "../vendor/view.js";

// The server writes each 15 seconds; a connection that a sleeping machine has lost stays silent for ever (milliseconds).
const SILENCE = 40_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

/** @typedef {{kind: string, task_id: string, task: any}} TaskEvent 
 * `kind` is a status or `deleted`; `begin`: events come from now on, and what was read before may be old; `gap`: events are missing. */
/** @typedef {{state: "off" | "on" | "lost", problem: Problem | null}} Stream `problem` is why it is lost, if the server has said so */

/** The events of a stream, as the HTML standard has them. @param {ReadableStream<Uint8Array>} body @param {(fields: Record<string, string>) => void} hear */
async function readEvents(body, hear) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (rest + part.value).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      hear(Object.fromEntries(block.split("\n").filter((line) => !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s, 2))));
    }
  }
}

/** One stream, connected again until it is left. It goes on after the last event that came, also after a pause. */
class Follower {
  /** @param {string} path @param {string} lastId @param {(event: TaskEvent) => void} hear @param {(stream: Stream) => void} tell */
  constructor(path, lastId, hear, tell) {
    this.path = path;
    this.lastId = lastId;
    this.hear = hear;
    this.tell = tell;
    this.leave = new AbortController();
  }

  async run() {
    let wait = FIRST_WAIT;
    while (!this.leave.signal.aborted) {
      let problem = null;
      try {
        if (await this.connect(() => (wait = FIRST_WAIT))) return this.tell({ state: "off", problem: null });
      } catch (error) {
        // Anything but a refusal is a connection that broke.
        if (error instanceof Problem && error.status) problem = error;
      }
      if (this.leave.signal.aborted) return undefined;
      // A task that is gone has no events any more.
      if (problem?.status === 404) return this.tell({ state: "off", problem });
      this.tell({ state: "lost", problem });
      await this.rest(Math.max(wait, (problem?.retryAfter ?? 0) * 1000));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
    return undefined;
  }

  /** True once the server says that nothing more will come. @param {() => void} connected */
  async connect(connected) {
    const silent = new AbortController();
    const timer = { id: setTimeout(() => silent.abort(), SILENCE) };
    const alive = () => {
      clearTimeout(timer.id);
      timer.id = setTimeout(() => silent.abort(), SILENCE);
    };
    try {
      const signal = AbortSignal.any([this.leave.signal, silent.signal]);
      const response = await send(this.path, { accept: "text/event-stream", signal, lastEventId: this.lastId, timeout: 0 });
      if (response.status === 204 || !response.body) return true;
      if (!this.lastId) this.hear({ kind: "begin", task_id: "", task: null });
      this.tell({ state: "on", problem: null });
      await readEvents(response.body, ({ event, id, data }) => {
        alive();
        connected();
        if (data) this.hear({ kind: event, ...JSON.parse(data) });
        if (id) this.lastId = id;
      });
      return false;
    } finally {
      clearTimeout(timer.id);
    }
  }

  /** Until the time is over, or the network is back. @param {number} wait milliseconds */
  async rest(wait) {
    const { signal } = this.leave;
    await new Promise((done) => {
      const timer = setTimeout(done, wait * (1 + Math.random() / 4));
      for (const [target, name] of /** @type {const} */ ([[window, "online"], [signal, "abort"]])) {
        target.addEventListener(name, () => (clearTimeout(timer), done(null)), { once: true, signal: name === "abort" ? undefined : signal });
      }
    });
  }
}

/**
 * Hear of each change of a task while not paused; afterwards, of what has happened meanwhile, or of a `gap`.
 * @param {string | null} path @param {(event: TaskEvent) => void} hear @returns {Stream}
 */
export function useEvents(path, hear) {
  const [stream, setStream] = useState(/** @type {Stream} */ ({ state: "off", problem: null }));
  const isLive = useCell(live);
  const listener = useRef(hear);
  listener.current = hear;
  const known = useRef({ path, lastId: "" });
  useEffect(() => {
    if (path === null || !isLive) {
      setStream({ state: "off", problem: null });
      return undefined;
    }
    const follower = new Follower(path, known.current.path === path ? known.current.lastId : "", (event) => listener.current(event), setStream);
    void follower.run();
    return () => {
      known.current = { path, lastId: follower.lastId };
      follower.leave.abort();
    };
  }, [path, isLive]);
  return stream;
}

// Events are shown together, so that a thousand a second draw the page no more than this often (milliseconds).
const DRAW_EVERY = 400;

/** @typedef {{path: string, tasks: any[], cursor: string | null, fresh: Map<string, any>, error: Problem | null}} TaskList */

/**
 * The list after changes of tasks; null stands for one that was deleted. Rows change where they are. Those that would stand
 * among the rows wait in `fresh`; what belongs below the last row comes with the next part.
 * @param {TaskList} list @param {Map<string, any>} changes @returns {TaskList}
 */
export function merged(list, changes) {
  const query = new URLSearchParams(list.path.split("?")[1]);
  const status = query.get("status");
  const here = new Set(list.tasks.map((task) => task.id));
  const last = list.cursor && list.tasks[list.tasks.length - 1];
  /** @param {any} task */
  const isAbove = (task) => !last || (query.get("sort") === "created_at" ? task.created_at <= last.created_at : task.created_at >= last.created_at);
  const fresh = new Map(list.fresh);
  for (const [id, task] of changes) {
    if (task && !here.has(id) && (!status || task.status === status) && isAbove(task)) fresh.set(id, task);
    else fresh.delete(id);
  }
  const tasks = list.tasks.map((task) => (changes.has(task.id) ? (changes.get(task.id) ?? { ...task, status: "deleted" }) : task));
  return { ...list, fresh, tasks };
}

/** What an answer has of a task, unless an event that came while it was on its way has told something newer. @param {any} known @param {any} answered */
function newest(known, answered) {
  if (!known) return answered;
  const ahead = Date.parse(known.updated_at) - Date.parse(answered.updated_at);
  // A row of a deleted task has the time of its last change.
  return ahead > 0 || (ahead === 0 && known.status === "deleted") ? known : answered;
}

/** The tasks of an answer, without going back behind what the list knows. @param {TaskList | null} list @param {any[]} tasks */
export function caughtUp(list, tasks) {
  const known = new Map(list?.fresh);
  for (const task of list?.tasks ?? []) known.set(task.id, task);
  return tasks.map((task) => newest(known.get(task.id), task));
}

/**
 * The tasks of a path, as they change. New ones are counted in `fresh`, each once, until `reload`.
 * @param {string} path @param {Record<string, string[]>} conditions those of the path, which the stream has, too
 */
export function useTaskList(path, conditions) {
  const [list, setList] = useState(/** @type {TaskList | null} */ (null));
  const [loads, setLoads] = useState(0);
  const reload = useCallback(() => setLoads((before) => before + 1), []);
  const here = list?.path === path ? list : null;
  const changes = useRef({ path, tasks: /** @type {Map<string, any>} */ (new Map()) });
  if (changes.current.path !== path) changes.current = { path, tasks: new Map() };
  const first = useAsk(path);
  useEffect(() => void (loads && first.reload()), [loads]);
  useEffect(() => {
    setList((earlier) => {
      const before = earlier?.path === path ? earlier : null;
      if (first.error) return { path, tasks: before?.tasks ?? [], cursor: null, fresh: new Map(), error: first.error };
      return first.value ? { path, tasks: caughtUp(before, first.value.tasks), cursor: first.value.next_cursor, fresh: new Map(), error: null } : earlier;
    });
  }, [first.value, first.error]);
  /** @param {any[]} tasks */
  const merge = (tasks) => setList((before) => (before?.path === path ? merged(before, new Map(caughtUp(before, tasks).map((task) => [task.id, task]))) : before));
  const others = Object.fromEntries(Object.entries(conditions).filter(([name]) => name !== "status"));
  const stream = useEvents(here ? withQuery("events", others) : null, (event) => {
    if (event.kind === "gap") reload();
    else if (event.kind === "begin") ask(path).then((page) => merge(page.tasks), reload);
    else changes.current.tasks.set(event.task_id, event.task);
  });
  useEffect(() => {
    const timer = setInterval(() => {
      const { tasks } = changes.current;
      if (!tasks.size) return;
      changes.current = { path, tasks: new Map() };
      setList((before) => (before?.path === path ? merged(before, tasks) : before));
    }, DRAW_EVERY);
    return () => clearInterval(timer);
  }, [path]);
  // Without a stream, the newest tasks are asked for now and then.
  const polled = useAsk(stream.state === "lost" ? withQuery(path, {}) : null, { every: 5 });
  useEffect(() => {
    if (polled.value) merge(polled.value.tasks);
  }, [polled.value]);
  const more = async () => {
    const page = await ask(`${path}&cursor=${encodeURIComponent(here?.cursor ?? "")}`);
    // A list that was read again meanwhile has another next part.
    setList((before) => (before?.path === path && before.cursor === here?.cursor ? { ...before, tasks: [...before.tasks, ...page.tasks], cursor: page.next_cursor } : before));
  };
  return { list: here, stream, more, reload };
}
