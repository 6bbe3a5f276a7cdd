// Requeue many dead letters: counted first, then at a rate, until too many fail again; watched to its end.
import { address } from "../../app.js";
import { ask, useLeaving } from "../../lib/api.js";
import { Dialog } from "../../lib/dialog.js";
import { operate, RATE, refusedFor } from "../../lib/operation.js";
import { Button, Facts, Failure, Loading, named, number, percent, t } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";
import { selection } from "../tasks/bulk.js";

/** What the operation does now, or what came of it. @param {{operation: any, problem: Error | null, of: number}} props */
function Progress({ operation, problem, of }) {
  const { done, skipped, failed, requeued_ended: ended, requeued_failed: again } = operation;
  const runs = ["waiting", "running", "aborting"].includes(operation.status);
  return html`<div role="status" class="form"><progress max=${of} value=${done + skipped + failed} aria-label=${t("letters.progress")}></progress>
    <${Facts} rows=${[
      [t("overview.state"), html`<span class=${`badge ${operation.status === "completed" ? "good" : runs ? "info" : "bad"}`}>${named("operation", operation.status)}</span>`],
      [t("letters.progress"), t("bulk.progress", { done: number(done), skipped: number(skipped), failed: number(failed) })],
      [t("letters.again"), ended ? t("letters.again.of", { ended, failed: again, ratio: percent(again / ended) }) : null],
      [t("letters.error"), operation.error],
    ]} />
    ${problem && html`<p class="banner warn">${problem.message || t("problem.unreachable")} ${t("bulk.goes_on")}</p>`}
    ${operation.reasons.length > 0 && html`<div><h3>${t("bulk.refused")}</h3><ul class="plain">${refusedFor(operation.reasons).map(({ reason, ids }) => html`<li key=${reason}><strong>${number(ids.length)}×</strong> ${reason}
      ${ids.slice(0, 3).map((id) => html` <a class="mono" key=${id} href=${address(["tasks", id])}>${id}</a>`)}</li>`)}</ul></div>`}
    ${runs && html`<div class="actions"><${Button} onClick=${() => ask(`operations/${operation.id}/abort`, { method: "POST" })}>${t("bulk.abort")}</${Button}></div>`}</div>`;
}

/** @param {{conditions: Record<string, string[]>, close: () => void, done: () => void}} props */
export default function Requeue({ conditions, close, done }) {
  const leaving = useLeaving();
  const [typed, setTyped] = useState(/** @type {Record<string, string>} */ ({ rate: "10", percent: "20", limit: "" }));
  const [count, setCount] = useState(/** @type {number | null} */ (null));
  const [progress, setProgress] = useState(/** @type {{operation: any, problem: Error | null} | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [busy, setBusy] = useState(false);
  const draft = { action: "requeue", resource: "dead-letters", ...selection(null, conditions) };
  useEffect(() => {
    operate({ ...draft, dry_run: true }, leaving).then((dry) => setCount(dry.matched), setError);
  }, []);
  /** @param {Event} event */
  const start = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await operate(
        {
          ...draft,
          ...(typed.rate ? { rate: typed.rate } : {}),
          ...(typed.percent ? { stop_at: { percent: Number(typed.percent) } } : {}),
          ...(typed.limit ? { limit: Number(typed.limit) } : {}),
        },
        leaving,
        (operation, problem) => setProgress({ operation, problem }),
      );
      done();
    } catch (failure) {
      // The page has a selection of its own by now.
      if (leaving.aborted) return;
      setError(/** @type {Error} */ (failure));
    }
    setBusy(false);
  };
  /** @param {string} name @param {any} more */
  const field = (name, more) => html`<label>${t(`letters.${name}`)}<input ...${more} value=${typed[name]} onInput=${(/** @type {any} */ event) => setTyped({ ...typed, [name]: event.target.value })} /></label>`;
  const of = Math.min(count ?? 0, Number(typed.limit) || Infinity);
  return html`<${Dialog} title=${t("letters.requeue.title")} close=${close} stays=${progress !== null}>
    <${Facts} rows=${Object.entries(conditions).map(([name, values]) => [t(`condition.${name}`), name === "reason" ? named("outcome", values[0]) : values.join(", ")])} />
    ${error && html`<${Failure} error=${error} />`}
    ${progress ? html`<${Progress} ...${progress} of=${of} /><div class="actions"><button type="button" onClick=${close}>${t("action.close")}</button></div>` : count === null ? !error && html`<p>${t("bulk.counting")}</p><${Loading} lines=${1} />` : html`<form class="form" onSubmit=${start}>
      <p>${count ? t("letters.matched", { count }) : t("bulk.nothing")}</p>
      ${count > 0 && html`${field("rate", { required: typed.percent !== "", pattern: RATE, placeholder: "10" })}${field("percent", { type: "number", min: 0, max: 100, step: "any" })}${field("limit", { type: "number", min: 1, step: 1 })}<p class="soft">${t("letters.percent.what")}</p>`}
      <div class="actions"><button type="button" onClick=${close}>${t("action.cancel")}</button>${count > 0 && html`<button class="primary" disabled=${busy}>${t("letters.requeue.start", { count: of })}</button>`}</div></form>`}
  </${Dialog}>`;
}
