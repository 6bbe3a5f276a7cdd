// Asks the API: requests with the session's cookie and a time limit, problems as errors, and polling.
import { useCallback, useEffect, useRef, useState } from "../vendor/view.js";

/** A value that components follow. @template T */
export class Cell {
  /** @param {T} value */
  constructor(value) {
    this.value = value;
    /** @type {Set<(value: T) => void>} */
    this.followers = new Set();
  }

  /** @param {T} value */
  set(value) {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const follower of [...this.followers]) follower(value);
  }
}

/** The value of a cell; the component is drawn again when it changes. @template T @param {Cell<T>} cell @returns {T} */
export function useCell(cell) {
  const [value, setValue] = useState(cell.value);
  useEffect(() => {
    setValue(() => cell.value);
    /** @param {T} next */
    const follower = (next) => setValue(() => next);
    cell.followers.add(follower);
    return () => {
      cell.followers.delete(follower);
    };
  }, [cell]);
  return value;
}

/** A signal that is aborted when the component is left: what it has begun ends then, and changes nothing any more. @returns {AbortSignal} */
export function useLeaving() {
  const [leave] = useState(() => new AbortController());
  useEffect(() => () => leave.abort(), []);
  return leave.signal;
}

/**
 * Who uses the console. `state` is `unknown` until the server has answered, `in`, or `out`: then `reason` says why.
 * @typedef {{state: "unknown" | "in" | "out", key: string | null, scopes: string[], session: string | null, reason: string}} Access
 */
/** @type {Access} */
const NOBODY = { state: "unknown", key: null, scopes: [], session: null, reason: "" };
export const access = new Cell(NOBODY);
/** Whether the last request got an answer. */
export const reachable = new Cell(true);
/** Whether pages refresh themselves. */
export const live = new Cell(true);

/** The scopes of `needed` that the key lacks. @param {string} needed separated by spaces @returns {string[]} */
export function lacking(needed) {
  return needed.split(" ").filter((scope) => scope && !access.value.scopes.includes(scope));
}

/** A refusal by the API (RFC 9457), or no answer at all: then `status` is 0. */
export class Problem extends Error {
  /** @param {number} status @param {any} members */
  constructor(status, members) {
    super(members.detail || members.title || (status ? String(status) : ""));
    this.status = status;
    /** @type {string} */
    this.code = members.code || "";
    /** @type {{field: string, message: string}[]} */
    this.errors = members.errors || [];
    /** @type {string} */
    this.requestId = members.request_id || "";
    /** Seconds after which to ask again (RFC 9110 10.2.3); 0 if the answer does not say. */
    this.retryAfter = 0;
  }

  /** Whether the same request may succeed later. */
  get passes() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

// Milliseconds. The API itself answers sooner; a connection that a sleeping machine has lost never does.
const TIMEOUT = 30_000;
// Seconds until a read that has failed is repeated, where neither the page nor the answer says when.
export const PATIENCE = 5;

/**
 * @typedef {{method?: string, body?: unknown, text?: string, etag?: string | null, ifNew?: boolean, signal?: AbortSignal, accept?: string, lastEventId?: string, timeout?: number}} Options
 * `text` is sent as it is, in place of a `body`, so that no number is rounded. `etag`: only if nothing has changed since (If-Match);
 * `ifNew`: only if there is nothing yet (If-None-Match).
 * `timeout`, in milliseconds, is for all of the answer; 0 for a stream, which its reader watches.
 */

/** The answer, if it is a success. Raises `Problem`. @param {string} path relative to the page @param {Options} options */
export async function send(path, { method = "GET", body, text, etag, ifNew, signal: given, accept = "application/json", lastEventId, timeout = TIMEOUT } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: accept, "X-Requested-With": "XMLHttpRequest" };
  const signal = timeout ? AbortSignal.any([AbortSignal.timeout(timeout), ...(given ? [given] : [])]) : given;
  if (lastEventId) headers["Last-Event-ID"] = lastEventId;
  // A change with a session needs it, also without a body.
  if (method !== "GET") headers["Content-Type"] = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  if (etag) headers["If-Match"] = etag;
  if (ifNew) headers["If-None-Match"] = "*";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: text ?? (body === undefined ? undefined : JSON.stringify(body)) });
  } catch (error) {
    if (given?.aborted) throw error;
    reachable.set(false);
    throw new Problem(0, { code: "unreachable" });
  }
  reachable.set(true);
  if (response.ok) return response;
  const problem = new Problem(response.status, await members(response));
  problem.retryAfter = Number(response.headers.get("Retry-After")) || 0;
  if (response.status === 401) access.set({ ...NOBODY, state: "out", reason: problem.code });
  throw problem;
}

/** @param {Response} response */
async function members(response) {
  try {
    return await response.json();
  } catch {
    // A proxy in front of the API has answered.
    return { title: response.statusText };
  }
}

/** @param {Response} response @returns {Promise<any>} */
async function valueOf(response) {
  try {
    return await response.json();
  } catch {
    // Cut on the way, or from somebody between the server and us.
    throw new Problem(0, { code: "unreadable" });
  }
}

/** The answer as a value; null if it is empty. @param {string} path @param {Options} [options] @returns {Promise<any>} */
export async function ask(path, options) {
  const response = await send(path, options);
  return response.status === 204 ? null : valueOf(response);
}

/** The answer with its entity tag, for a change that must not undo another one. @param {string} path */
export async function askTagged(path) {
  const response = await send(path);
  return { value: await valueOf(response), etag: response.headers.get("ETag") };
}

/** Learn who uses the console; afterwards, `access` is known. */
export async function learnAccess() {
  const found = await ask("access");
  access.set({ ...found, state: "in", reason: "" });
}

/** A path with a query; empty values are left out, lists repeat their name. @param {string} path @param {Record<string, any>} query */
export function withQuery(path, query) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") search.append(name, String(each));
    }
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * What a page shows of an answer. `value` stays while it is asked again, and while that fails.
 * @typedef {{value: any, error: Problem | null, reload: () => Promise<void>}} Asked
 */

/** Asks for one path, never twice at a time, and again as long as it `isOn`. */
class Poll {
  /** @param {string} path @param {(change: {value?: any, error: Problem | null}) => void} tell */
  constructor(path, tell) {
    this.path = path;
    /** Seconds; 0 to ask again only after a failure that passes. */
    this.every = 0;
    /** Seconds until what has failed is asked again; 0 after an answer. */
    this.patience = 0;
    this.tell = tell;
    this.leave = new AbortController();
    this.timer = 0;
    this.isOn = false;
    /** @type {Promise<void> | null} */
    this.running = null;
    /** @type {Promise<void> | null} */
    this.following = null;
  }

  /** Ask now; if an answer is awaited already, once more after it, since it may be older than what the caller knows. @returns {Promise<void>} */
  ask() {
    if (!this.running) {
      clearTimeout(this.timer);
      this.running = this.once().finally(() => (this.running = null));
      return this.running;
    }
    this.following ??= this.running.then(() => {
      this.following = null;
      return this.ask();
    });
    return this.following;
  }

  async once() {
    try {
      const value = await ask(this.path, { signal: this.leave.signal });
      this.patience = 0;
      this.tell({ value, error: null });
    } catch (error) {
      if (this.leave.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      this.tell({ error });
      this.patience = error.passes ? error.retryAfter || PATIENCE : 0;
    }
    this.plan();
  }

  plan() {
    clearTimeout(this.timer);
    const seconds = Math.max(this.patience, this.every);
    if (!this.isOn || !seconds) return;
    // A page that nobody sees asks nothing; it asks at once when it is seen again.
    this.timer = setTimeout(() => (document.hidden ? this.plan() : void this.ask()), seconds * 1000);
  }

  /** @param {boolean} isOn @param {number} every */
  turn(isOn, every) {
    this.isOn = isOn;
    this.every = every;
    // The answer that is awaited plans what follows it.
    if (!this.running) this.plan();
  }

  end() {
    this.isOn = false;
    clearTimeout(this.timer);
    this.leave.abort();
  }
}

/**
 * Ask, and again `every` seconds after an answer while the page is seen and not paused; sooner or later if the API says so.
 * @param {string | null} path nothing is asked for null @param {{every?: number}} [options] @returns {Asked}
 */
export function useAsk(path, { every = 0 } = {}) {
  const [asked, setAsked] = useState({ path, value: /** @type {any} */ (null), error: /** @type {Problem | null} */ (null) });
  const isLive = useCell(live);
  const poll = useRef(/** @type {Poll | null} */ (null));
  useEffect(() => {
    if (path === null) return undefined;
    const made = new Poll(path, (change) => setAsked((before) => ({ path, value: before.path === path ? before.value : null, ...change })));
    poll.current = made;
    void made.ask();
    const seen = () => document.hidden || !live.value || !made.every || void made.ask();
    document.addEventListener("visibilitychange", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      made.end();
      poll.current = null;
    };
  }, [path]);
  const wasLive = useRef(isLive);
  useEffect(() => {
    poll.current?.turn(isLive, every);
    // What has happened during the pause.
    if (isLive && !wasLive.current && every) void poll.current?.ask();
    wasLive.current = isLive;
  }, [path, every, isLive]);
  const reload = useCallback(async () => poll.current?.ask(), []);
  const fits = asked.path === path;
  return { value: fits ? asked.value : null, error: fits ? asked.error : null, reload };
}
