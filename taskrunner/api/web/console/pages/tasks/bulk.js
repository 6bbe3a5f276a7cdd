// Cancel, requeue or delete what is selected: first how many that are, then the words, then the progress.
import { address } from "../../app.js";
import { ask, useLeaving } from "../../lib/api.js";
import { Confirm, Dialog } from "../../lib/dialog.js";
import { operate, RATE, refusedFor } from "../../lib/operation.js";
import { Button, Facts, Failure, Loading, named, number, t, toast } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";

/** How far it is; what is refused, by kind; and what has gone wrong. @param {{operation: any, problem: Error | null, count: number}} props */
function Progress({ operation, problem, count }) {
  const { done, skipped, failed, status, reasons } = operation;
  const isOver = !["waiting", "running", "aborting"].includes(status);
  return html`<progress max=${count} value=${done + skipped + failed} aria-label=${t("bulk.progress.name")}></progress>
    <p>${t("bulk.progress", { done: number(done), skipped: number(skipped), failed: number(failed) })}</p>
    ${isOver && html`<p role="status"><strong>${named("operation", status)}</strong> ${operation.error ?? ""}</p>`}
    ${problem && html`<p class="banner warn" role="status">${problem.message || t("problem.unreachable")} ${t("bulk.goes_on")}</p>`}
    ${reasons.length > 0 && html`<div><h3>${t("bulk.refused")}</h3><ul class="plain">${refusedFor(reasons).map(({ reason, ids }) => html`<li key=${reason}><strong>${number(ids.length)}×</strong> ${reason}
      ${ids.slice(0, 3).map((id) => html` <a class="mono" key=${id} href=${address(["tasks", id])}>${id}</a>`)}</li>`)}</ul>
      ${failed > reasons.length && html`<p class="soft">${t("bulk.refused.more", { count: failed - reasons.length })}</p>`}</div>`}
    ${!isOver && html`<p><${Button} onClick=${() => ask(`operations/${operation.id}/abort`, { method: "POST" })}>${t("bulk.abort")}</${Button}></p>`}`;
}

/**
 * @param {{action: string, ids: string[] | null, conditions: Record<string, string[]>, resource?: string, close: () => void, done: () => void}} props
 * `ids` is null for all that match the conditions; `resource` is `dead-letters` where those are meant.
 */
export default function Bulk({ action, ids, conditions, resource = "tasks", close, done }) {
  const leaving = useLeaving();
  // What was counted is what is done, whatever the address has by then.
  const [chosen] = useState({ ids, conditions });
  const [count, setCount] = useState(/** @type {number | null} */ (null));
  const [progress, setProgress] = useState(/** @type {{operation: any, problem: Error | null} | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [rate, setRate] = useState("");
  const draft = { action, resource, ...selection(chosen.ids, chosen.conditions) };
  useEffect(() => {
    operate({ ...draft, dry_run: true }, leaving).then((operation) => setCount(operation.matched), setError);
  }, []);
  /** The dialog stays when something was refused, which is read first. Its form makes place for the progress, so it is closed here. */
  const act = async () => {
    let hasBegun = false;
    try {
      const ended = await operate(rate ? { ...draft, rate } : draft, leaving, (operation, problem) => {
        hasBegun = true;
        setProgress({ operation, problem });
      });
      done();
      if (ended.failed || ended.status !== "completed") return false;
      toast(t(`bulk.${action}.done`, { count: ended.done }));
      close();
    } catch (failure) {
      if (!hasBegun) throw failure;
      setError(/** @type {Error} */ (failure));
    }
    return false;
  };
  const title = t(`bulk.${action}`);
  if (error) return html`<${Dialog} title=${title} close=${close}><${Failure} error=${error} /></${Dialog}>`;
  if (count === null) return html`<${Dialog} title=${title} close=${close}><p>${t("bulk.counting")}</p><${Loading} lines=${1} /></${Dialog}>`;
  if (!count) return html`<${Dialog} title=${title} close=${close}><p>${t("bulk.nothing")}</p></${Dialog}>`;
  const counted = t(`bulk.${action}.title`, { count });
  if (progress) return html`<${Dialog} title=${counted} close=${close}><${Progress} ...${progress} count=${count} /></${Dialog}>`;
  return html`<${Confirm} title=${counted} words=${`${t(`bulk.${action}.word`)} ${count}`} action=${counted} act=${act} close=${close}>
    <p>${t(`bulk.${action}.what`)}</p>
    ${chosen.ids === null && html`<${Facts} rows=${Object.entries(chosen.conditions).map(([name, values]) => [t(`condition.${name}`), values.join(", ")])} />`}
    <label>${t("bulk.rate")}<input value=${rate} pattern=${RATE} placeholder="10" onInput=${(/** @type {any} */ event) => setRate(event.target.value)} /></label>
  </${Confirm}>`;
}

/** What the draft of an operation is about. @param {string[] | null} ids @param {Record<string, string[]>} conditions */
export function selection(ids, conditions) {
  if (ids) return { ids };
  const filter = Object.fromEntries(Object.entries(conditions).map(([name, values]) => [name, name === "label" ? values : values[0]]));
  return Object.keys(filter).length ? { filter } : { all: true };
}
