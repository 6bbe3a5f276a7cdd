// Words, numbers and the parts that pages are made of. Everything from a task is shown as text only.
import { access, Cell, lacking, live, Problem, reachable, useCell } from "./api.js";
import { html, useEffect, useRef, useState } from "../vendor/view.js";

const LANGUAGES = ["en", "ru"];
const CHOICE = "taskrunner.language";

/** @type {Record<string, string | Record<string, string>>} */
let words = {};
export let language = "en";
/** The language with the region, for times and numbers. */
export let locale = "en";
let plural = new Intl.PluralRules("en");
let numbers = new Intl.NumberFormat("en");
let relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
let exact = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** The language that was chosen here, else the browser's. */
function wanted() {
  const chosen = localStorage.getItem(CHOICE);
  const names = [chosen, ...navigator.languages].map((name) => (name || "").slice(0, 2));
  return names.find((name) => LANGUAGES.includes(name)) || "en";
}

/** Before anything is drawn. */
export async function loadLanguage() {
  language = wanted();
  words = (await import(`../locales/${language}.js`)).default;
  document.documentElement.lang = language;
  locale = navigator.languages.find((name) => name.startsWith(language)) || language;
  plural = new Intl.PluralRules(language);
  numbers = new Intl.NumberFormat(locale);
  relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
  exact = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
}

/** The page is loaded anew in another language. @param {string} name */
export function chooseLanguage(name) {
  localStorage.setItem(CHOICE, name);
  location.reload();
}

export const otherLanguage = () => LANGUAGES.find((name) => name !== language) || "en";

/**
 * The words of a key. `{name}` in them stands for a value; an entry with forms is chosen by `count`.
 * @param {string} key @param {Record<string, unknown>} [values] @returns {string}
 */
export function t(key, values = {}) {
  const entry = words[key];
  if (entry === undefined) return key;
  const text = typeof entry === "string" ? entry : (entry[plural.select(Number(values.count))] ?? entry.other);
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value ?? "");
  });
}

/** The words of a value that the API names, `failed` or `http_error`; a new one stays as it is. @param {string} group @param {string | null} name */
export function named(group, name) {
  const key = `${group}.${name}`;
  return name === null ? "" : key in words ? t(key) : name.replaceAll("_", " ");
}

/** @param {number | null | undefined} value */
export function number(value) {
  return value === null || value === undefined ? "–" : numbers.format(value);
}

/** 0.984 as 98.4 %. @param {number | null} fraction */
export function percent(fraction) {
  return fraction === null ? "–" : new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(fraction);
}

const SPANS = /** @type {const} */ ([["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]);

/** A duration in seconds: 0.4ms, 850ms, 2.4s, 3m 20s. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.01) return unit(Math.round(seconds * 10000) / 10, "millisecond");
  if (seconds < 1) return unit(Math.round(seconds * 1000), "millisecond");
  if (seconds < 10) return unit(Math.round(seconds * 10) / 10, "second");
  const place = SPANS.findIndex(([, length]) => seconds >= length);
  const [name, length] = SPANS[place];
  const rest = SPANS[place + 1];
  const left = rest ? Math.floor((seconds % length) / rest[1]) : 0;
  return unit(Math.floor(seconds / length), name) + (rest && left ? ` ${unit(left, rest[0])}` : "");
}

/** @param {number} value @param {string} name */
function unit(value, name) {
  return new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay: "narrow" }).format(value);
}

/** @param {number | null | undefined} bytes */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  for (const [name, length] of /** @type {const} */ ([["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]])) {
    if (bytes >= length) return `${number(Math.round((bytes / length) * 10) / 10)}\u00a0${name}`;
  }
  return `${number(bytes)}\u00a0B`;
}

/** How long ago, or in how long. @param {string} time @param {number} now milliseconds */
export function ago(time, now) {
  const seconds = (Date.parse(time) - now) / 1000;
  const [name, length] = SPANS.find(([, each]) => Math.abs(seconds) >= each) || SPANS[3];
  return relative.format(Math.round(seconds / length), name);
}

/** @param {string} time */
export const moment = (time) => exact.format(new Date(time));

const now = new Cell(Date.now());
setInterval(() => document.hidden || now.set(Date.now()), 1000);

/** How long ago, with the exact time on hover. @param {{at: string | null}} props */
export function Time({ at }) {
  const current = useCell(now);
  if (!at) return html`<span class="soft">–</span>`;
  return html`<time datetime=${at} title=${`${moment(at)} (${at})`}>${ago(at, current)}</time>`;
}

/** The seconds since a time, growing: not inside of an alert or a live region, which would be read out each second. @param {{at: string}} props */
export function Since({ at }) {
  return duration(Math.max(1, Math.floor((useCell(now) - Date.parse(at)) / 1000)));
}

/** @param {{status: string}} props */
export const Status = ({ status }) => html`<span class=${`badge ${status}`}>${named("status", status)}</span>`;

/**
 * Disabled with the reason, if the key lacks one of `needs`; `why` is another reason. While the promise of `onClick` runs, a
 * second press does nothing; its failure is told. @param {any} props
 */
export function Button({ needs = "", why = "", kind = "", children, onClick, ...more }) {
  useCell(access);
  const runs = useRef(false);
  const [busy, setBusy] = useState(false);
  const missing = lacking(needs);
  const reason = missing.length ? t("scope.missing", { scopes: missing.join(", ") }) : why;
  /** @param {Event} event */
  const act = async (event) => {
    if (reason || runs.current) return event.preventDefault();
    const result = onClick?.(event);
    if (!(result instanceof Promise)) return undefined;
    runs.current = true;
    setBusy(true);
    return result.catch(tellFailure).finally(() => {
      runs.current = false;
      setBusy(false);
    });
  };
  return html`<button type="button" ...${more} class=${kind} aria-busy=${busy ? "true" : undefined} aria-disabled=${reason || busy ? "true" : undefined} title=${reason || more.title} onClick=${act}>${children}</button>`;
}

/** Raises an error that says what to do instead. @param {string} text */
export async function copyText(text) {
  // Browsers have no clipboard for pages of plain HTTP from elsewhere.
  if (!navigator.clipboard) throw new Error(t("copy.failed"));
  await navigator.clipboard.writeText(text);
}

/** @param {{text: string, label?: string}} props */
export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await copyText(text);
    } catch (error) {
      return toast(/** @type {Error} */ (error).message, "bad");
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="quiet copy" title=${t("copy.title")} aria-label=${t("copy.what", { what: label || text })} onClick=${copy}><svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d=${done ? "M3 8l4 4 6-8" : "M5 5h8v8H5zM3 11V3h8"} /></svg></button>`;
}

/** What went wrong, and what to do next. @param {{error: Error, retry?: () => void}} props */
export function Failure({ error, retry }) {
  const problem = error instanceof Problem ? error : null;
  const kind = { 0: "unreachable", 403: "forbidden", 404: "missing", 412: "changed", 429: "limited", 502: "unavailable", 503: "unavailable", 504: "unavailable" }[problem?.status ?? -1];
  return html`<div class=${`state ${kind === "forbidden" ? "" : "bad"}`} role="alert">
    <strong>${t(kind ? `problem.${kind}` : "problem.other")}</strong>
    ${problem?.status !== 0 && kind !== "changed" && html`<p>${error.message}</p>`}
    ${problem?.errors.length ? html`<ul>${problem.errors.map((each) => html`<li><code>${each.field}</code>: ${each.message}</li>`)}</ul>` : null}
    ${kind && html`<p class="soft">${problem?.passes && !retry ? "" : t(`problem.${kind}.next`)} ${problem?.retryAfter ? t("problem.wait", { time: duration(problem.retryAfter) }) : ""}</p>`}
    ${problem?.requestId && html`<p class="soft">${t("problem.request")} <code>${problem.requestId}</code> <${Copy} text=${problem.requestId} /></p>`}
    ${retry && kind !== "forbidden" && html`<${Button} onClick=${retry}>${t("action.retry")}</${Button}>`}
  </div>`;
}

/** Nothing here, and what would be. @param {{title: string, children?: any}} props */
export const Empty = ({ title, children }) => html`<div class="state"><strong>${title}</strong>${children}</div>`;

/** Grey lines in place of what is asked. @param {{lines?: number}} props */
export const Loading = ({ lines = 5 }) => html`<div class="loading" role="status" aria-label=${t("state.loading")}>${Array.from({ length: lines }, () => html`<span></span>`)}</div>`;

/**
 * The state of an answer: loading, refused, or what `children` makes of it. What is known stays beside an error.
 * @param {{asked: import("./api.js").Asked, lines?: number, children: (value: any) => any}} props
 */
export function Answer({ asked, lines, children }) {
  if (asked.value === null) return asked.error ? html`<${Failure} error=${asked.error} retry=${asked.reload} />` : html`<${Loading} lines=${lines} />`;
  return html`${asked.error && asked.error.status && html`<${Failure} error=${asked.error} retry=${asked.reload} />`}${children(asked.value)}`;
}

/** The head of a page; sets the title of the window. @param {{title: string, children?: any}} props */
export function Head({ title, children }) {
  useEffect(() => {
    document.title = `${title} · taskrunner`;
  }, [title]);
  return html`<header class="head"><h1 tabindex="-1">${title}</h1><div class="actions">${children}</div></header>`;
}

/** Stops and goes on refreshing, for all pages. */
export function LiveSwitch() {
  const on = useCell(live);
  return html`<button type="button" class="quiet live" aria-pressed=${String(!on)} title=${t("live.title")} onClick=${() => live.set(!on)}>
    <span class=${on ? "dot good" : "dot"}></span>${t(on ? "live.on" : "live.off")}
  </button>`;
}

/** A wide thing that scrolls by itself. @param {{label: string, children: any}} props */
export const Scroll = ({ label, children }) => html`<div class="scroll" role="region" aria-label=${label} tabindex="0">${children}</div>`;

/** How much of something is used, on one line. @param {{used: number, whole: number, label: string}} props */
export const Load = ({ used, whole, label }) => html`<span class="load"><meter min="0" max=${whole} value=${used} aria-label=${label}></meter> ${t("overview.busy.of", { busy: used, threads: whole })}</span>`;

/** A number with its name. @param {{name: string, children: any, tone?: string, title?: string}} props */
export const Figure = ({ name, children, tone = "", title }) => html`<div class=${`figure ${tone}`} title=${title}><dt>${name}</dt><dd>${children}</dd></div>`;

/** In a grid of cards, `wide` takes the whole width, and `double` that of two. @param {{title: string, actions?: any, children?: any, wide?: boolean, double?: boolean}} props */
export const Card = ({ title, actions, children, wide, double }) => html`<section class=${`card ${wide ? "wide" : double ? "double" : ""}`}><header><h2>${title}</h2>${actions}</header>${children}</section>`;

/** @typedef {{id: number, text: string, tone: string, undo?: () => void}} Toast */
/** @type {Cell<Toast[]>} */
const toasts = new Cell(/** @type {Toast[]} */ ([]));
let toastCount = 0;

/** Say something for a while. @param {string} text @param {"good" | "bad"} [tone] */
export function toast(text, tone = "good") {
  toastCount += 1;
  const id = toastCount;
  toasts.set([...toasts.value.slice(-3), { id, text, tone }]);
  setTimeout(() => toasts.set(toasts.value.filter((each) => each.id !== id)), tone === "bad" ? 10000 : 5000);
}

/** @param {unknown} error */
const tellFailure = (error) => toast(/** @type {Error} */ (error).message || t("problem.unreachable"), "bad");

/** Do something, and say what came of it. @param {() => Promise<unknown>} act @param {string} done @returns {Promise<boolean>} */
export async function attempt(act, done) {
  try {
    await act();
    toast(done);
    return true;
  } catch (error) {
    tellFailure(error);
    return false;
  }
}

export function Toasts() {
  const shown = useCell(toasts);
  return html`<div class="toasts" role="status" aria-live="polite">${shown.map((each) => html`<p key=${each.id} class=${each.tone}>${each.text}</p>`)}</div>`;
}

/** Tells that the server does not answer, while what was known stays. */
export function Offline() {
  return useCell(reachable) ? null : html`<p class="banner bad away" role="alert">${t("problem.unreachable")} ${t("problem.unreachable.next")}</p>`;
}

/** One of a few. @param {{name: string, value: string, choices: [string, string][], choose: (value: string) => void}} props */
export const Choice = ({ name, value, choices, choose }) => html`<div class="choice" role="group" aria-label=${name}>${choices.map(
  ([each, text]) => html`<button type="button" key=${each} aria-pressed=${String(each === value)} onClick=${() => choose(each)}>${text}</button>`,
)}</div>`;

/** Names with values. @param {{rows: [string, any][]}} props */
export const Facts = ({ rows }) => html`<dl class="facts">${rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** How an attempt ends, as the API names it. */
export const OUTCOMES = ["ok", "http_error", "timeout", "connect_error", "dns_error", "tls_error", "protocol_error", "too_large", "too_many_redirects", "blocked", "decode_error", "cancelled", "interrupted", "snoozed", "handler_error"];

const EXECUTOR = "executor:";
/** The condition for the tasks of a host; an executor with limits is the host `executor:NAME`. @param {string} host @returns {Record<string, string>} */
export const conditionOfHost = (host) => (host.startsWith(EXECUTOR) ? { executor: host.slice(EXECUTOR.length) } : { host });

/** What a task asks for: its request, or the executor of one that is no request. @param {any} task */
export function subject(task) {
  const request = task.url ? `${task.method} ${task.url}` : "";
  return task.executor ? [task.executor, request].filter(Boolean).join(": ") : request;
}
