// The page of workers: each consumer with its processes and threads, and what each of them does for how long.
import { address } from "../../app.js";
import { useAsk } from "../../lib/api.js";
import { Answer, Card, Empty, Facts, Head, Load, number, Scroll, Since, t, Time } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";

/** @param {{running: any[]}} props */
function Running({ running }) {
  if (!running.length) return html`<p class="soft">${t("workers.idle")}</p>`;
  return html`<${Scroll} label=${t("workers.running")}><table><thead><tr><th>${t("workers.task")}</th><th>${t("column.attempt")}</th><th>${t("workers.where")}</th><th class="number">${t("workers.for")}</th></tr></thead>
    <tbody>${running.map((each) => html`<tr key=${each.task_id}><td><a href=${address(["tasks", each.task_id])}>${each.task_id}</a></td><td>${number(each.attempt)}</td>
      <td>${each.executor && html`<a href=${address(["tasks"], { executor: each.executor })}>${each.executor}</a>`} ${each.host && html`<a href=${address(["tasks"], { host: each.host })}>${each.host}</a>`}</td><td class="number"><${Since} at=${each.since} /></td></tr>`)}</tbody></table></${Scroll}>`;
}

/** @param {{worker: any}} props */
function Consumer({ worker }) {
  const losses = worker.processes.reduce((/** @type {number} */ all, /** @type {any} */ each) => all + each.losses, 0);
  return html`<${Card} wide title=${`${worker.host}:${worker.pid}`} actions=${html`<span class="soft">${t("workers.reported")} <${Time} at=${worker.reported_at} /></span>`}>
    <div class="split"><${Facts} rows=${[
      [t("workers.threads"), html`<${Load} used=${worker.busy} whole=${worker.threads} label=${t("overview.busy")} />`],
      [t("overview.bounds"), `${worker.min_threads}–${worker.max_threads}, ${t("overview.target", { target: worker.target })}`],
      [t("overview.decision"), worker.last_decision],
      [t("page.queues"), worker.queues.join(", ")],
    ]} /><${Facts} rows=${[
      [t("workers.since"), html`<${Time} at=${worker.since} />`],
      [t("workers.version"), worker.version],
      [t("workers.processes"), worker.processes.map((/** @type {any} */ each) => each.pid).join(", ")],
      [t("workers.losses"), losses ? `${number(losses)}: ${worker.processes.map((/** @type {any} */ each) => each.last_loss).filter(Boolean).join("; ")}` : t("workers.losses.none")],
      [t("workers.backlog"), `${number(worker.backlog)} / ${number(worker.in_flight)}`],
    ]} /></div>
    <${Running} running=${worker.running} />
  </${Card}>`;
}

export default function Workers() {
  const workers = useAsk("workers", { every: 2 });
  return html`<${Head} title=${t("page.workers")} />
    <${Answer} asked=${workers}>${(/** @type {any} */ { workers: found }) =>
      found.length ? found.map((/** @type {any} */ worker) => html`<${Consumer} key=${worker.id} worker=${worker} />`)
        : html`<${Empty} title=${t("overview.no_workers")}><p class="soft">${t("overview.no_workers.next")}</p></${Empty}>`}</${Answer}>`;
}
