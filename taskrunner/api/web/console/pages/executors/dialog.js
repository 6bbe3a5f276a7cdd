// The dialogs of executors: create or change one as JSON, and delete one.
import { ask } from "../../lib/api.js";
import { Confirm, Dialog, FormDialog } from "../../lib/dialog.js";
import { useEditing } from "../../lib/editing.js";
import { parsed } from "../../lib/merge_patch.js";
import { duration, Failure, Loading, t, toast } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const EXAMPLE = { name: "ship_order", kind: "http", url: "https://example.com/orders/{id}", schema: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] }, max_attempts: 8, timeout: "10s" };
// What the API says of an executor, and nobody sets.
const SAID = ["name", "version", "created_at", "updated_at"];
const SHOWN = 10;

/** @param {{kind: "edit" | "delete", executor: any, close: () => void}} props `executor` is null for a new one */
export default function ExecutorDialog({ kind, executor, close }) {
  if (kind === "edit") return executor ? html`<${Edit} name=${executor.name} close=${close} />` : html`<${Create} close=${close} />`;
  const path = `executors/${executor.name}`;
  /** @param {string | null} etag */
  const act = async (etag) => {
    await ask(path, { method: "DELETE", etag });
    toast(t("executors.deleted", { name: executor.name }));
  };
  return html`<${Confirm} title=${t("executors.delete", { name: executor.name })} words=${executor.name} action=${t("bulk.delete")} path=${path} act=${act} close=${close}><p>${t("executors.delete.what")}</p></${Confirm}>`;
}

/** The waits before each further attempt, without jitter. @param {any} draft @returns {number[]} */
function waits({ retry, max_attempts: most }) {
  if (!retry || !most) return [];
  const { strategy = "exponential", base = 1, cap = 300, delays = [] } = retry;
  return Array.from({ length: Math.min(most, SHOWN) - 1 }, (_, number) => {
    const step = { exponential: base * 2 ** number, linear: base * (number + 1), constant: base }[/** @type {string} */ (strategy)];
    return Math.min(cap, delays[Math.min(number, delays.length - 1)] ?? step ?? base);
  }).map(Number).filter(Number.isFinite);
}

/** The retry policy as a time line: a mark for each attempt. @param {{draft: any}} props */
function RetryLine({ draft }) {
  const found = waits(draft);
  if (!found.length) return null;
  const ends = found.reduce((/** @type {number[]} */ all, wait) => [...all, all[all.length - 1] + wait], [0]);
  const whole = ends[ends.length - 1] || 1;
  return html`<figure><figcaption class="soft">${t("executors.retry", { count: ends.length, time: duration(whole) })}</figcaption>
    <svg class="retries" viewBox="0 0 100 6" role="img" aria-label=${found.map((wait) => duration(wait)).join(", ")}><line x1="1" y1="3" x2="99" y2="3"></line>${ends.map((at, number) => html`<circle key=${number} cx=${1 + (98 * at) / whole} cy="3" r="1.2"><title>${duration(at)}</title></circle>`)}</svg></figure>`;
}

/** @param {string} text */
function draftIn(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** @param {{text: string, change: (text: string) => void}} props */
const Fields = ({ text, change }) => html`<label>${t("executors.json")}<textarea rows="18" spellcheck="false" value=${text} onInput=${(/** @type {any} */ event) => change(event.target.value)}></textarea></label>
  <${RetryLine} draft=${draftIn(text)} />`;

/** @param {{close: () => void}} props */
function Create({ close }) {
  const [text, change] = useState(JSON.stringify(EXAMPLE, null, 2));
  const send = async () => {
    await ask("executors", { method: "POST", text });
    toast(t("executors.saved", { name: draftIn(text).name }));
  };
  return html`<${FormDialog} wide title=${t("executors.create")} action=${t("action.save")} send=${send} close=${close}><${Fields} text=${text} change=${change} /></${FormDialog}>`;
}

/** What can be set, without what is not. @param {any} executor */
const draftOf = (executor) => Object.fromEntries(Object.entries(executor).filter(([field, value]) => value !== null && !SAID.includes(field)));

/** @param {{name: string, close: () => void}} props */
function Edit({ name, close }) {
  const { draft, error, save, rebase } = useEditing(`executors/${name}`, { draftOf, parse: parsed });
  const [typed, change] = useState(/** @type {string | null} */ (null));
  const title = t("executors.edit", { name });
  if (draft === null) return html`<${Dialog} wide title=${title} close=${close}>${error ? html`<${Failure} error=${error} />` : html`<${Loading} />`}</${Dialog}>`;
  const text = typed ?? JSON.stringify(draft, null, 2);
  const send = async () => {
    await save(parsed(text));
    toast(t("executors.saved", { name }));
  };
  const again = async () => {
    change(JSON.stringify(await rebase(parsed(text)), null, 2));
    return false;
  };
  return html`<${FormDialog} wide title=${title} action=${t("action.save")} send=${send} rebase=${again} close=${close}><${Fields} text=${text} change=${change} /></${FormDialog}>`;
}
