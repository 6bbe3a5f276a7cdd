// The page of queues: what waits in each, who serves it, its weight; pause, resume, declare, delete.
import { address, Lazy } from "../../app.js";
import { ask, useAsk, withQuery } from "../../lib/api.js";
import { Answer, attempt, Button, duration, Head, number, Scroll, t, Time } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

/** @param {{queue: any, changed: () => void, open: (dialog: any) => void}} props */
function Row({ queue, changed, open }) {
  const { name, paused, weight } = queue;
  const isOurs = paused?.scope === `queue:${name}`;
  /** @param {"pause" | "resume"} verb */
  const switchTo = (verb) => attempt(() => ask(withQuery(verb, { queue: name }), { method: "POST" }), t(`queues.${verb}.done`, { name })).then(changed);
  return html`<tr>
    <th scope="row"><a href=${address(["tasks"], { queue: name, status: "queued" })}>${name}</a></th>
    <td class="number">${number(queue.ready)}</td><td class="number">${duration(queue.oldest_age)}</td>
    <td class="number">${number(queue.rate_in)} / ${number(queue.rate_out)}</td>
    <td class="number">${number(weight)}</td>
    <td class="number">${number(queue.consumers)}</td>
    <td>${paused ? html`<span class="badge warn">${t("overview.paused")}</span> <${Time} at=${paused.since} />` : queue.consumers === 0 ? html`<span class="badge bad">${t("overview.no_consumer")}</span>` : html`<span class="badge good">${t("queues.runs")}</span>`}</td>
    <td><div class="bar">
      ${paused
        ? html`<${Button} needs="operate read:all" why=${isOurs ? "" : t("queues.paused_by", { scope: paused.scope })} onClick=${() => switchTo("resume")}>${t("queues.resume")}</${Button}>`
        : html`<${Button} needs="operate read:all" onClick=${() => switchTo("pause")}>${t("queues.pause")}</${Button}>`}
      <${Button} needs="operate read:all" onClick=${() => open({ kind: "edit", name, weight })}>${t("queues.weight.change")}</${Button}>
      <${Button} needs="operate read:all" kind="danger" why=${queue.declared_by === "configuration" ? t("queues.configured") : ""} onClick=${() => open({ kind: "delete", name })}>${t("bulk.delete")}</${Button}>
    </div></td>
  </tr>`;
}

export default function Queues() {
  const queues = useAsk("queues", { every: 2 });
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  return html`<${Head} title=${t("page.queues")}>
      <${Button} needs="operate read:all" kind="primary" onClick=${() => setDialog({ kind: "edit", name: "", weight: 1 })}>${t("queues.declare")}</${Button}></${Head}>
    <p class="soft">${t("queues.what")}</p>
    <${Answer} asked=${queues}>${(/** @type {any} */ { queues: found }) => html`<${Scroll} label=${t("page.queues")}><table>
      <thead><tr><th>${t("column.queue")}</th><th class="number">${t("overview.waiting")}</th><th class="number">${t("overview.oldest")}</th><th class="number">${t("overview.rates")}</th>
        <th class="number">${t("queues.weight")}</th><th class="number">${t("overview.consumers")}</th><th>${t("overview.state")}</th><th>${t("queues.actions")}</th></tr></thead>
      <tbody>${found.map((/** @type {any} */ queue) => html`<${Row} key=${queue.name} queue=${queue} changed=${queues.reload} open=${setDialog} />`)}</tbody>
    </table></${Scroll}>`}</${Answer}>
    ${dialog && html`<${Lazy} name="queues/dialog" load=${() => import("./dialog.js")} ...${dialog} queue=${dialog.name} close=${() => (setDialog(null), queues.reload())} />`}`;
}
