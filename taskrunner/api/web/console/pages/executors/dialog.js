// The dialogs of executors: create or change one as JSON, and delete one.
import { ask, askTagged } from "../../lib/api.js";
import { Confirm, Dialog } from "../../lib/dialog.js";
import { duration, Failure, Loading, t, toast } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";

const EXAMPLE = { name: "ship_order", kind: "http", url: "https://example.com/orders/{id}", schema: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] }, max_attempts: 8, timeout: "10s" };
// What the API says of an executor, and nobody sets.
const SAID = ["name", "version", "created_at", "updated_at"];
const SHOWN = 10;

/** @param {{kind: "edit" | "delete", executor: any, close: () => void}} props `executor` is null for a new one */
export default function ExecutorDialog({ kind, executor, close }) {
  if (kind === "edit") return html`<${Edit} name=${executor?.name ?? ""} close=${close} />`;
  const act = async () => {
    await ask(`executors/${executor.name}`, { method: "DELETE" });
    toast(t("executors.deleted", { name: executor.name }));
  };
  return html`<${Confirm} title=${t("executors.delete", { name: executor.name })} words=${executor.name} action=${t("bulk.delete")} act=${act} close=${close}><p>${t("executors.delete.what")}</p></${Confirm}>`;
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
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** @param {{name: string, close: () => void}} props */
function Edit({ name, close }) {
  const [text, setText] = useState(name ? "" : JSON.stringify(EXAMPLE, null, 2));
  const [etag, setEtag] = useState(/** @type {string | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  useEffect(() => {
    if (!name) return;
    askTagged(`executors/${name}`).then((found) => {
      setEtag(found.etag);
      const fields = Object.entries(found.value).filter(([field, value]) => value !== null && !SAID.includes(field));
      setText(JSON.stringify(Object.fromEntries(fields), null, 2));
    }, setError);
  }, [name]);
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    try {
      if (name) await ask(`executors/${name}`, { method: "PUT", etag, text });
      else await ask("executors", { method: "POST", text });
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
      return;
    }
    toast(t("executors.saved", { name: name || parsed(text).name }));
    close();
  };
  if (name && !text && !error) return html`<${Dialog} wide title=${t("executors.edit", { name })} close=${close}><${Loading} /></${Dialog}>`;
  return html`<${Dialog} wide title=${name ? t("executors.edit", { name }) : t("executors.create")} close=${close}><form class="form" onSubmit=${save}>
    <label>${t("executors.json")}<textarea rows="18" spellcheck="false" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea></label>
    <${RetryLine} draft=${parsed(text)} />${error && html`<${Failure} error=${error} />`}
    <div class="actions"><button type="button" onClick=${close}>${t("action.cancel")}</button><button class="primary">${t("action.save")}</button></div></form></${Dialog}>`;
}
