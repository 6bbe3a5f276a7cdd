// The page of schedules: when each runs next, how its last runs went, pause, resume, run now, edit, delete.
import { address, Lazy } from "../../app.js";
import { ask, useAsk } from "../../lib/api.js";
import { Answer, attempt, Button, Empty, Head, moment, named, Scroll, subject, t, Time } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";
import { Runs } from "./runs.js";

const PAGE_SIZE = 50;
const HISTORY = 8;

/** The last slots, each with a link to its task, in the colour of its status. @param {{runs: any[]}} props */
const History = ({ runs }) => html`<ol class="strip">${runs.map((run) => {
  const label = `${moment(run.slot)}: ${run.status ? named("status", run.status) : t("schedules.no_task")}`;
  return html`<li key=${run.slot}>${run.status ? html`<a class=${run.status} href=${address(["tasks", run.task_id])} title=${label} aria-label=${label}></a>` : html`<span class="none" title=${label} role="img" aria-label=${label}></span>`}</li>`;
})}</ol>`;

/** @param {any} schedule */
function state({ error, paused }) {
  if (error) return html`<span class="badge bad" title=${error}>${t("schedules.error")}</span> ${error}`;
  return paused ? html`<span class="badge warn">${t("overview.paused")}</span>` : html`<span class="badge good">${t("queues.runs")}</span>`;
}

/** @param {{schedule: any, runs: any[], changed: () => void, open: (dialog: any) => void}} props */
function Row({ schedule, runs, changed, open }) {
  const { name, paused } = schedule;
  const path = `schedules/${encodeURIComponent(name)}`;
  /** @param {string} verb */
  const act = (verb) => attempt(() => ask(`${path}/${verb}`, { method: "POST" }), t(`schedules.${verb}.done`, { name })).then(changed);
  return html`<tr><th scope="row">${name}</th><td><code>${schedule.cron}</code> ${schedule.time_zone}</td><td class="name">${subject({ method: "GET", ...schedule.task })}</td>
    <td>${schedule.next_at ? html`<${Time} at=${schedule.next_at} /><details><summary>${t("schedules.next")}</summary><${Runs} slots=${schedule.next_runs} zone=${schedule.time_zone} /></details>` : "–"}</td>
    <td>${runs.length ? html`<${History} runs=${runs} />` : null}${schedule.last_task_id ? html`<a href=${address(["tasks", schedule.last_task_id])}><${Time} at=${schedule.last_at} /></a>` : !runs.length && html`<span class="soft">${t("schedules.no_run")}</span>`}</td>
    <td>${state(schedule)}</td>
    <td><div class="bar">${paused ? html`<${Button} needs="operate" onClick=${() => act("resume")}>${t("queues.resume")}</${Button}>` : html`<${Button} needs="operate" onClick=${() => act("pause")}>${t("queues.pause")}</${Button}>`}
      <${Button} needs="submit" onClick=${() => act("run")}>${t("schedules.run")}</${Button}>
      <${Button} needs="submit" onClick=${() => open({ kind: "edit", name })}>${t("action.edit")}</${Button}>
      <${Button} needs="operate" kind="danger" onClick=${() => open({ kind: "delete", name })}>${t("bulk.delete")}</${Button}></div></td></tr>`;
}

export default function Schedules() {
  const [cursors, setCursors] = useState(/** @type {string[]} */ ([]));
  const cursor = cursors.length ? `&cursor=${encodeURIComponent(cursors[cursors.length - 1])}` : "";
  const schedules = useAsk(`schedules?limit=${PAGE_SIZE}${cursor}`, { every: 10 });
  const history = useAsk(`schedule-runs?limit=${PAGE_SIZE}&count=${HISTORY}${cursor}`, { every: 10 });
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  /** @type {Record<string, any[]>} */
  const runs = Object.fromEntries((history.value?.schedules ?? []).map((/** @type {any} */ each) => [each.name, each.runs]));
  // Drawn at once with its history, so that nothing moves; the history may be missing.
  const asked = { ...schedules, value: history.value || history.error ? schedules.value : null };
  const reload = () => (schedules.reload(), history.reload());
  return html`<${Head} title=${t("page.schedules")}><${Button} needs="submit" kind="primary" onClick=${() => setDialog({ kind: "edit", name: "" })}>${t("schedules.create")}</${Button}></${Head}>
    <${Answer} asked=${asked}>${(/** @type {any} */ { schedules: found, next_cursor: next }) => html`${found.length
      ? html`<${Scroll} label=${t("page.schedules")}><table class="stack"><thead><tr><th>${t("keys.name")}</th><th>${t("schedules.when")}</th><th>${t("workers.task")}</th><th>${t("schedules.next")}</th><th class="col-history">${t("schedules.last")}</th><th>${t("overview.state")}</th><th>${t("queues.actions")}</th></tr></thead>
          <tbody>${found.map((/** @type {any} */ each) => html`<${Row} key=${each.name} schedule=${each} runs=${runs[each.name] ?? []} changed=${reload} open=${setDialog} />`)}</tbody></table></${Scroll}>`
      : html`<${Empty} title=${t("schedules.none")}><p class="soft">${t("schedules.none.next")}</p></${Empty}>`}
      ${(next || cursor) && html`<div class="bar">${cursor && html`<button type="button" onClick=${() => setCursors(cursors.slice(0, -1))}>${t("schedules.before")}</button>`}${next && html`<button type="button" onClick=${() => setCursors([...cursors, next])}>${t("schedules.after")}</button>`}</div>`}`}</${Answer}>
    ${dialog && html`<${Lazy} name="schedules/dialog" load=${() => import("./dialog.js")} kind=${dialog.kind} schedule=${dialog.name} close=${() => (setDialog(null), reload())} />`}`;
}
