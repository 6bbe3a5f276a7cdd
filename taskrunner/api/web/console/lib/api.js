// Asks the API: requests with the session's cookie, problems as errors, polling, and the stream of events.
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
    this.retryAfter = 0;
  }
}

/**
 * @typedef {{method?: string, body?: unknown, text?: string, etag?: string | null, signal?: AbortSignal, accept?: string}} Options
 * `text` is sent as it is, in place of a `body`, so that no number is rounded. `etag`: only if nothing has changed since (If-Match).
 */

/** The answer, if it is a success. Raises `Problem`. @param {string} path relative to the page @param {Options} options */
export async function send(path, { method = "GET", body, text, etag, signal, accept = "application/json" } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: accept, "X-Requested-With": "XMLHttpRequest" };
  // A change with a session needs it, also without a body.
  if (method !== "GET") headers["Content-Type"] = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  if (etag) headers["If-Match"] = etag;
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: text ?? (body === undefined ? undefined : JSON.stringify(body)) });
  } catch (error) {
    if (signal?.aborted) throw error;
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

/**
 * Ask, and again each `every` seconds while the page is seen and not paused.
 * @param {string | null} path nothing is asked for null @param {{every?: number}} [options] @returns {Asked}
 */
export function useAsk(path, { every = 0 } = {}) {
  const [asked, setAsked] = useState({ path, value: /** @type {any} */ (null), error: /** @type {Problem | null} */ (null) });
  const isLive = useCell(live);
  const current = useRef(path);
  current.current = path;
  const reload = useCallback(async () => {
    if (path === null) return;
    try {
      const value = await ask(path);
      if (current.current === path) setAsked({ path, value, error: null });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (current.current === path) setAsked((before) => ({ path, value: before.path === path ? before.value : null, error }));
    }
  }, [path]);
  useEffect(() => void reload(), [reload]);
  useEffect(() => {
    if (!every || !isLive) return undefined;
    const timer = setInterval(() => document.hidden || reload(), every * 1000);
    return () => clearInterval(timer);
  }, [reload, every, isLive]);
  const fits = asked.path === path;
  return { value: fits ? asked.value : null, error: fits ? asked.error : null, reload };
}

const EVENTS = ["scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled", "deleted", "gap"];

/**
 * Hear of each change of a task, while not paused. `state` is `on`, `off`, or `lost` while the browser reconnects.
 * @param {string | null} path @param {(event: {kind: string, task_id: string, task: any}) => void} hear
 */
export function useEvents(path, hear) {
  const [state, setState] = useState("off");
  const isLive = useCell(live);
  const listener = useRef(hear);
  listener.current = hear;
  useEffect(() => {
    if (path === null || !isLive) {
      setState("off");
      return undefined;
    }
    const source = new EventSource(path);
    source.onopen = () => setState("on");
    source.onerror = () => setState("lost");
    for (const kind of EVENTS) {
      source.addEventListener(kind, (event) => listener.current({ kind, ...JSON.parse(event.data || "{}") }));
    }
    return () => source.close();
  }, [path, isLive]);
  return state;
}

const ENDED = ["completed", "stopped", "aborted", "failed"];

/**
 * Make an operation on many tasks or dead letters, and tell how far it is until it has ended.
 * @param {Record<string, unknown>} draft @param {(operation: any) => void} [tell] @returns {Promise<any>}
 */
export async function operate(draft, tell = () => {}) {
  let operation = await ask("operations", { method: "POST", body: draft });
  while (!ENDED.includes(operation.status)) {
    tell(operation);
    await new Promise((done) => setTimeout(done, 300));
    operation = await ask(`operations/${operation.id}`);
  }
  tell(operation);
  return operation;
}
