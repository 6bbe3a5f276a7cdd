// Cancel, requeue or delete what is selected: first how many that are, then the words, then the progress.
import { ask, operate } from "../../lib/api.js";
import { Confirm, Dialog } from "../../lib/dialog.js";
import { Facts, Failure, Loading, number, t, toast } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";

/**
 * @param {{action: string, ids: string[] | null, conditions: Record<string, string[]>, resource?: string, close: () => void, done: () => void}} props
 * `ids` is null for all that match the conditions; `resource` is `dead-letters` where those are meant.
 */
export default function Bulk({ action, ids, conditions, resource = "tasks", close, done }) {
  const [count, setCount] = useState(/** @type {number | null} */ (null));
  const [progress, setProgress] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [rate, setRate] = useState("");
  const draft = { action, resource, ...selection(ids, conditions) };
  useEffect(() => {
    operate({ ...draft, dry_run: true }).then((operation) => setCount(operation.matched), setError);
  }, []);
  const act = async () => {
    const ended = await operate(rate ? { ...draft, rate } : draft, setProgress);
    toast(t(`bulk.${action}.done`, { count: ended.done }), ended.failed || ended.status !== "completed" ? "bad" : "good");
    done();
  };
  if (error) return html`<${Dialog} title=${t(`bulk.${action}`)} close=${close}><${Failure} error=${error} /></${Dialog}>`;
  if (count === null) return html`<${Dialog} title=${t(`bulk.${action}`)} close=${close}><p>${t("bulk.counting")}</p><${Loading} lines=${1} /></${Dialog}>`;
  if (!count) return html`<${Dialog} title=${t(`bulk.${action}`)} close=${close}><p>${t("bulk.nothing")}</p></${Dialog}>`;
  const words = `${t(`bulk.${action}.word`)} ${count}`;
  return html`<${Confirm} title=${t(`bulk.${action}.title`, { count })} words=${words} action=${t(`bulk.${action}.title`, { count })} act=${act} close=${close}>
    <p>${t(`bulk.${action}.what`)}</p>
    ${ids === null && html`<${Facts} rows=${Object.entries(conditions).map(([name, values]) => [t(`condition.${name}`), values.join(", ")])} />`}
    <label>${t("bulk.rate")}<input value=${rate} pattern="[0-9]+(/[smh])?" placeholder="10" onInput=${(/** @type {any} */ event) => setRate(event.target.value)} /></label>
    ${progress && html`<div role="status"><progress max=${count} value=${progress.done + progress.skipped + progress.failed}></progress>
      ${t("bulk.progress", { done: number(progress.done), skipped: number(progress.skipped), failed: number(progress.failed) })}
      ${progress.status !== "completed" && html`<button type="button" onClick=${() => ask(`operations/${progress.id}/abort`, { method: "POST" })}>${t("bulk.abort")}</button>`}</div>`}
  </${Confirm}>`;
}

/** @param {string[] | null} ids @param {Record<string, string[]>} conditions */
function selection(ids, conditions) {
  if (ids) return { ids };
  const filter = Object.fromEntries(Object.entries(conditions).map(([name, values]) => [name, name === "label" ? values : values[0]]));
  return Object.keys(filter).length ? { filter } : { all: true };
}
