// The page of one task: what it is, why it is where it is, each attempt, and what can be done.
import { address, go } from "../../app.js";
import { ask, useAsk, useEvents } from "../../lib/api.js";
import { Confirm } from "../../lib/dialog.js";
import { Answer, attempt as tryTo, Button, Card, Copy, duration, Facts, Head, moment, named, number, Scroll, Status, t, Time } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";
import { subject } from "../tasks/page.js";

const LIVE = ["scheduled", "queued", "running", "retrying"];

/** @param {{attempts: any[]}} props */
const Attempts = ({ attempts }) => html`<${Scroll} label=${t("task.attempts")}><table><thead><tr><th>${t("task.attempt")}</th><th>${t("task.started")}</th><th>${t("task.took")}</th><th>${t("task.outcome")}</th><th>${t("task.answer")}</th><th>${t("task.address")}</th></tr></thead>
  <tbody>${attempts.map((each) => html`<tr key=${each.number}><td>${each.number}</td><td><${Time} at=${each.started_at} /></td>
    <td>${each.finished_at ? duration((Date.parse(each.finished_at) - Date.parse(each.started_at)) / 1000) : t("task.runs")}</td>
    <td>${named("outcome", each.outcome)}</td><td>${[each.status_code, each.error].filter(Boolean).join(" ")}</td><td><code>${each.address}</code></td></tr>`)}</tbody></table></${Scroll}>`;

/** @param {{id: string}} props */
export default function Task({ id }) {
  const path = `tasks/${encodeURIComponent(id)}`;
  const task = useAsk(path);
  const isLive = task.value && LIVE.includes(task.value.status);
  const explained = useAsk(isLive ? `${path}/explain` : null, { every: 3 });
  useEvents(isLive ? `${path}/events` : null, () => task.reload());
  const [asks, setAsks] = useState("");
  /** @param {string} to @param {string} done */
  const change = async (to, done) => {
    await tryTo(() => ask(to, { method: "POST" }), t(done));
    await task.reload();
  };
  return html`<${Answer} asked=${task} lines=${8}>${(/** @type {any} */ value) => html`
    <${Head} title=${subject(value)}>
      <${Button} needs="operate" why=${LIVE.includes(value.status) ? "" : t("task.ended")} onClick=${() => change(`${path}/cancel`, "task.cancelled")}>${t("bulk.cancel")}</${Button}>
      <${Button} needs="operate" why=${value.status === "failed" ? "" : t("task.not_failed")} onClick=${() => change(`dead-letters/${encodeURIComponent(id)}/requeue`, "task.requeued")}>${t("bulk.requeue")}</${Button}>
      <${Button} needs="operate" kind="danger" onClick=${() => setAsks("delete")}>${t("bulk.delete")}</${Button}>
    </${Head}>
    <p><a href="#/tasks">${t("page.tasks")}</a> / <code>${value.id}</code> <${Copy} text=${value.id} label=${t("task.id")} /> <${Status} status=${value.status} /></p>
    ${explained.value && html`<${Card} title=${t("task.why")}><ul>${explained.value.reasons.map((/** @type {any} */ each) => html`<li key=${each.code}>${each.text}</li>`)}</ul></${Card}>`}
    <${Card} title=${t("task.facts")}><${Facts} rows=${[
      [t("column.queue"), value.queue],
      [t("task.created"), moment(value.created_at)],
      [t("column.due"), value.due_at && moment(value.due_at)],
      [t("task.finished"), value.finished_at && moment(value.finished_at)],
      [t("column.attempt"), `${number(value.attempt)}/${number(value.attempt_limit)}`],
      [t("task.error"), value.error],
      [t("column.labels"), Object.entries(value.labels).map(([name, label]) => `${name}=${label}`).join(" ")],
      [t("column.created_by"), value.created_by],
    ]} /></${Card}>
    <${Card} title=${t("task.attempts")}><${Attempts} attempts=${value.attempts} /></${Card}>
    ${value.result?.body && html`<${Card} title=${t("task.body")}><pre>${value.result.body}</pre></${Card}>`}
    ${asks === "delete" && html`<${Confirm} title=${t("task.delete")} action=${t("bulk.delete")} close=${() => setAsks("")} act=${async () => {
      await ask(path, { method: "DELETE" });
      go(address(["tasks"]));
    }}><p>${t("bulk.delete.what")}</p></${Confirm}>`}`}</${Answer}>`;
}
