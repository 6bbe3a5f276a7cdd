// The form of a task: each field writes into the same JSON, so that what the form has no field for stays.
import { useAsk } from "../../lib/api.js";
import { parsed } from "../../lib/merge_patch.js";
import { t } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const REQUEST = ["url", "method", "headers", "body"];
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/** `name: value` lines as an object. @param {string} text @param {string} mark */
const pairs = (text, mark) =>
  Object.fromEntries(text.split("\n").filter((line) => line.trim()).map((line) => {
    const [name, ...rest] = line.split(mark);
    return [name.trim(), rest.join(mark).trim()];
  }));

/** A value as it is written. A number that `parsed` has kept is an object, which `String` cannot read. @param {unknown} value */
const written = (value) => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));

/** @param {Record<string, unknown> | undefined} found @param {string} mark */
const lines = (found, mark) => Object.entries(found ?? {}).map(([name, value]) => `${name}${mark}${written(value)}`).join("\n");

/** Text, unless it is JSON. @param {string} text */
function bodyOf(text) {
  try {
    return parsed(text);
  } catch {
    return text;
  }
}

/** Text that is edited as it is, while what it means is told. @param {{label: string, value: string, rows: number, change: (text: string) => void, placeholder?: string}} props */
function Area({ label, value, rows, change, placeholder }) {
  const [typed, setTyped] = useState(value);
  return html`<label>${label}<textarea rows=${rows} spellcheck=${false} placeholder=${placeholder} value=${typed} onInput=${(/** @type {any} */ event) => (setTyped(event.target.value), change(event.target.value))}></textarea></label>`;
}

/** @param {{task: Record<string, any>, change: (task: Record<string, any>) => void}} props */
function Fields({ task, change }) {
  const executors = useAsk("executors");
  /** Without a field whose input is empty; `{}` and `[]` are bodies and data like others. @param {string} name @param {any} value */
  const set = (name, value) => {
    const next = { ...task, [name]: value };
    if (value === "" || value === undefined) delete next[name];
    change(next);
  };
  /** @param {string} name @param {string} text @param {string} mark */
  const setPairs = (name, text, mark) => set(name, text.trim() ? pairs(text, mark) : undefined);
  /** @param {string} name @param {any} [more] */
  const field = (name, more = {}) => html`<label>${t(`submit.field.${name}`)}<input ...${more} value=${written(task[name])} onInput=${(/** @type {any} */ event) => set(name, event.target.value)} /></label>`;
  /** Seconds, or a duration with units. @param {string} name @param {string} example */
  const time = (name, example) => html`<label>${t(`submit.field.${name}`)}<input placeholder=${example} value=${written(task[name])} onInput=${(/** @type {any} */ event) => set(name, /^\d+$/.test(event.target.value) ? Number(event.target.value) : event.target.value)} /></label>`;
  /** @param {string} name */
  const count = (name) => html`<label>${t(`submit.field.${name}`)}<input type="number" min="1" value=${written(task[name])} onInput=${(/** @type {any} */ event) => set(name, event.target.value && Number(event.target.value))} /></label>`;
  /** A task of an executor has data in place of a request. @param {string} name */
  const toExecutor = (name) => {
    const others = Object.entries(task).filter(([each]) => ![...REQUEST, "executor", "data"].includes(each));
    change({ ...(name ? { executor: name, data: {} } : { url: "https://" }), ...Object.fromEntries(others) });
  };
  const known = executors.value?.executors ?? [];
  return html`<div class="form">
    ${known.length > 0 && html`<label>${t("submit.field.executor")}<select value=${task.executor ?? ""} onChange=${(/** @type {any} */ event) => toExecutor(event.target.value)}><option value="">${t("submit.request")}</option>${known.map((/** @type {any} */ each) => html`<option key=${each.name} value=${each.name}>${each.name}</option>`)}</select></label>`}
    ${task.executor
      ? html`<${Area} key=${task.executor} label=${t("submit.field.data")} rows=${6} value=${JSON.stringify(task.data ?? {}, null, 2)} change=${(/** @type {string} */ text) => set("data", bodyOf(text))} />`
      : html`${field("url", { type: "url", required: true })}
        <label>${t("submit.field.method")}<select value=${task.method ?? "GET"} onChange=${(/** @type {any} */ event) => set("method", event.target.value)}>${METHODS.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select></label>
        <${Area} label=${t("submit.field.headers")} rows=${3} placeholder="Content-Type: application/json" value=${lines(task.headers, ": ")} change=${(/** @type {string} */ text) => setPairs("headers", text, ":")} />
        <${Area} label=${t("submit.field.body")} rows=${5} value=${task.body === undefined ? "" : typeof task.body === "string" ? task.body : JSON.stringify(task.body, null, 2)} change=${(/** @type {string} */ text) => set("body", text && bodyOf(text))} />`}
    <div class="fields">${field("queue", { placeholder: "medium" })}${time("timeout", "30s")}${count("max_attempts")}${time("delay", "10m")}</div>
    <${Area} label=${t("submit.field.labels")} rows=${2} placeholder="team=billing" value=${lines(task.labels, "=")} change=${(/** @type {string} */ text) => setPairs("labels", text, "=")} />
  </div>`;
}

/** @param {{text: string, change: (text: string) => void}} props */
export default function Form({ text, change }) {
  let task = null;
  try {
    task = parsed(text);
  } catch {
    // Told below.
  }
  if (typeof task !== "object" || task === null || Array.isArray(task)) return html`<p class="banner warn" role="alert">${t("submit.no_form")}</p>`;
  return html`<${Fields} task=${task} change=${(/** @type {any} */ next) => change(JSON.stringify(next, null, 2))} />`;
}
