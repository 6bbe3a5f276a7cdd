// The page of schedules: when each runs next, how it went, pause, resume, run now, edit, delete.
import { address, Lazy } from "../../app.js";
import { ask, useAsk } from "../../lib/api.js";
import { Answer, attempt, Button, Empty, Head, moment, Scroll, subject, t, Time } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

/** A time in the time zone of a schedule. @param {string} at @param {string} zone */
export const inZone = (at, zone) => `${new Date(at).toLocaleString(undefined, { timeZone: zone, dateStyle: "medium", timeStyle: "short" })} ${zone}`;

/** @param {{schedule: any, changed: () => void, open: (dialog: any) => void}} props */
function Row({ schedule, changed, open }) {
  const { name, paused } = schedule;
  const path = `schedules/${encodeURIComponent(name)}`;
  /** @param {string} verb */
  const act = (verb) => attempt(() => ask(`${path}/${verb}`, { method: "POST" }), t(`schedules.${verb}.done`, { name })).then(changed);
  return html`<tr><th scope="row">${name}</th><td><code>${schedule.cron}</code> ${schedule.time_zone}</td><td>${subject({ method: "GET", ...schedule.task })}</td>
    <td>${schedule.next_at ? html`<${Time} at=${schedule.next_at} /><details><summary>${t("schedules.next")}</summary><ul>${schedule.next_runs.map((/** @type {string} */ at) => html`<li key=${at}>${moment(at)} <span class="soft">${inZone(at, schedule.time_zone)}</span></li>`)}</ul></details>` : "–"}</td>
    <td>${schedule.last_task_id ? html`<a href=${address(["tasks", schedule.last_task_id])}><${Time} at=${schedule.last_at} /></a>` : "–"}</td>
    <td>${schedule.error ? html`<span class="badge bad" title=${schedule.error}>${t("schedules.error")}</span> ${schedule.error}` : paused ? html`<span class="badge warn">${t("overview.paused")}</span>` : html`<span class="badge good">${t("queues.runs")}</span>`}</td>
    <td><div class="bar">${paused ? html`<${Button} needs="operate" onClick=${() => act("resume")}>${t("queues.resume")}</${Button}>` : html`<${Button} needs="operate" onClick=${() => act("pause")}>${t("queues.pause")}</${Button}>`}
      <${Button} needs="submit" onClick=${() => act("run")}>${t("schedules.run")}</${Button}>
      <${Button} needs="submit" onClick=${() => open({ kind: "edit", name })}>${t("action.edit")}</${Button}>
      <${Button} needs="operate" kind="danger" onClick=${() => open({ kind: "delete", name })}>${t("bulk.delete")}</${Button}></div></td></tr>`;
}

export default function Schedules() {
  const schedules = useAsk("schedules?limit=200", { every: 10 });
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  return html`<${Head} title=${t("page.schedules")}><${Button} needs="submit" kind="primary" onClick=${() => setDialog({ kind: "edit", name: "" })}>${t("schedules.create")}</${Button}></${Head}>
    <${Answer} asked=${schedules}>${(/** @type {any} */ { schedules: found }) => found.length
      ? html`<${Scroll} label=${t("page.schedules")}><table><thead><tr><th>${t("keys.name")}</th><th>${t("schedules.when")}</th><th>${t("workers.task")}</th><th>${t("schedules.next")}</th><th>${t("schedules.last")}</th><th>${t("overview.state")}</th><th>${t("queues.actions")}</th></tr></thead>
          <tbody>${found.map((/** @type {any} */ each) => html`<${Row} key=${each.name} schedule=${each} changed=${schedules.reload} open=${setDialog} />`)}</tbody></table></${Scroll}>`
      : html`<${Empty} title=${t("schedules.none")}><p class="soft">${t("schedules.none.next")}</p></${Empty}>`}</${Answer}>
    ${dialog && html`<${Lazy} name="schedules/dialog" load=${() => import("./dialog.js")} kind=${dialog.kind} schedule=${dialog.name} close=${() => (setDialog(null), schedules.reload())} />`}`;
}
