// The page of one task: why it is where it is, its time line, each attempt, what came back, and what can be done.
import { address, changeQuery, go, Lazy, place } from "../../app.js";
import { ask, useAsk, useCell, withQuery } from "../../lib/api.js";
import { useEvents } from "../../lib/live.js";
import { Answer, attempt as tryTo, Button, Card, Copy, duration, Facts, Head, moment, named, number, percent, size, Status, subject, t, Time } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";
import { Timeline } from "./timeline.js";

const LIVE = ["scheduled", "queued", "running", "retrying"];

/** What the task says of how far it is. @param {{progress: {fraction: number, message: string}}} props */
const Progress = ({ progress }) => html`<${Card} title=${t("task.progress")}>
  <progress max="1" value=${progress.fraction} aria-label=${t("task.progress")}></progress><p>${percent(progress.fraction)} ${progress.message}</p></${Card}>`;

/** The page where a reason can be looked at or ended. @type {Record<string, string>} */
const PAGE_OF = {
  paused: "queues", put_off: "queues", queue: "queues", queue_undeclared: "queues", no_consumer: "workers", delivered: "workers",
  circuit_open: "hosts", circuit_half_open: "hosts", host_slowed: "hosts", rate_limit: "hosts", concurrency_limit: "hosts", slow_host: "hosts",
  broker_away: "overview", broker_blocked: "overview", broker_policy: "overview", publishing: "overview",
};

/** Why it is not running now, in the reader's words and in the API's; the first reason has to end first. @param {{reasons: any[]}} props */
const Reasons = ({ reasons }) => html`<${Card} title=${t("task.why")}><ol class="reasons">${reasons.map(
  (each) => html`<li key=${each.code}><strong>${named("why", each.code)}</strong> ${each.until && html`<${Time} at=${each.until} />`} <span class="soft">${each.text}</span>
    ${each.code in PAGE_OF && html` <a href=${address([PAGE_OF[each.code]])}>${t(`page.${PAGE_OF[each.code]}`)}</a>`}</li>`,
)}</ol></${Card}>`;

/** The tasks that report the end of this one. @param {{task: any}} props */
function Reports({ task }) {
  const reports = useAsk(task.finished_at ? withQuery("tasks", { label: `callback=${task.id}`, created_after: task.finished_at, fields: "id,status,url,error,labels", limit: 20 }) : null, { every: 5 });
  const { callback } = task;
  return html`<${Card} title=${t("task.reports")}>
    ${callback && html`<${Facts} rows=${[[t("task.callback.url"), html`<code>${callback.url}</code>`], [t("task.callback.events"), callback.events.map((/** @type {string} */ each) => named("status", each)).join(", ")], [t("task.callback.secret"), callback.secret]]} />`}
    ${task.finished_at ? html`<${Answer} asked=${reports} lines=${1}>${(/** @type {any} */ { tasks }) =>
      tasks.length
        ? html`<ul class="plain">${tasks.map((/** @type {any} */ each) => html`<li key=${each.id}><${Status} status=${each.status} /> <a href=${address(["tasks", each.id])}>${each.labels.webhook ? t("task.webhook", { name: each.labels.webhook }) : t("task.callback")}</a> <code>${each.url}</code> <span class="soft">${each.error}</span></li>`)}</ul>`
        : html`<p class="soft">${t("task.reports.none")}</p>`}</${Answer}>` : html`<p class="soft">${t("task.reports.later")}</p>`}
  </${Card}>`;
}

/** @param {{task: any}} props */
const About = ({ task }) => html`<${Card} title=${t("task.facts")}><${Facts} rows=${[
  [t("task.executor"), task.executor],
  [t("column.queue"), html`<a href=${address(["tasks"], { queue: task.queue })}>${task.queue}</a>`],
  [t("column.attempt"), t("task.attempts.of", { attempt: task.attempt, limit: task.attempt_limit })],
  [t("task.timeout"), duration(task.timeout)],
  [t("task.retry"), task.retry.delays.length ? task.retry.delays.map(duration).join(", ") : t("task.retry.text", { strategy: task.retry.strategy, base: duration(task.retry.base), limit: duration(task.retry.cap) })],
  [t("task.created"), moment(task.created_at)],
  [t("task.run_at"), task.run_at && moment(task.run_at)],
  [t("task.deadline"), task.expires_at && moment(task.expires_at)],
  [t("task.kept_until"), task.kept_until && moment(task.kept_until)],
  [t("column.labels"), Object.entries(task.labels).map(([name, value]) => html`<a class="label" key=${name} href=${address(["tasks"], { label: `${name}=${value}` })}>${value ? `${name}=${value}` : name}</a> `)],
  [t("column.created_by"), task.created_by],
  [t("task.dedup"), task.dedup && `${task.dedup.key} (${task.dedup.mode})`],
  [t("task.body_size"), task.body_size ? size(task.body_size) : ""],
  [t("task.data"), task.data === null ? "" : html`<pre>${JSON.stringify(task.data, null, 2)}</pre>`],
]} /></${Card}>`;

/** @param {{task: any, path: string, reload: () => Promise<void>}} props */
function Actions({ task, path, reload }) {
  const [dialog, setDialog] = useState("");
  const isLive = LIVE.includes(task.status);
  /** @param {string} to @param {string} done */
  const change = async (to, done) => {
    await tryTo(() => ask(to, { method: "POST" }), t(done));
    await reload();
  };
  return html`<${Button} needs="operate" why=${isLive ? "" : t("task.ended")} onClick=${() => change(`${path}/cancel`, "task.cancelled")}>${t("bulk.cancel")}</${Button}>
    <${Button} needs="operate" why=${task.status === "failed" ? "" : t("task.not_failed")} onClick=${() => change(`dead-letters/${encodeURIComponent(task.id)}/requeue`, "task.requeued")}>${t("bulk.requeue")}</${Button}>
    <${Button} needs="submit" onClick=${() => setDialog("again")}>${t("task.again")}</${Button}>
    <${Button} needs="operate" kind="danger" onClick=${() => setDialog("delete")}>${t("bulk.delete")}</${Button}>
    ${dialog && html`<${Lazy} load=${() => (dialog === "again" ? import("./again.js") : import("./remove.js"))} name=${dialog} task=${task} path=${path} close=${() => setDialog("")} />`}`;
}

/** @param {{id: string}} props */
export default function Task({ id }) {
  const path = `tasks/${encodeURIComponent(id)}`;
  const { query } = useCell(place);
  const [every, setEvery] = useState(0);
  const task = useAsk(path, { every });
  const isLive = task.value !== null && LIVE.includes(task.value.status);
  const explained = useAsk(isLive ? `${path}/explain` : null, { every: 3 });
  const stream = useEvents(isLive ? `${path}/events` : null, (event) => {
    // The stream of a task begins with its state.
    if (event.kind === "deleted") go(address(["tasks"]));
    else if (event.kind !== "begin") void task.reload();
  });
  useEffect(() => setEvery(stream.state === "lost" ? 5 : 0), [stream.state]);
  const tab = query.get("tab") || "attempts";
  /** @type {[string, string][]} */
  const tabs = [["attempts", t("task.attempts")], ["body", t("task.body")], ["reports", t("task.reports")], ["json", "JSON"]];
  return html`${!task.value && html`<${Head} title=${t("workers.task")} />`}
    <p class="soft"><a href="#/tasks">${t("page.tasks")}</a> / <code>${id}</code> <${Copy} text=${id} label=${t("task.id")} /></p>
    <${Answer} asked=${task} lines=${8}>${(/** @type {any} */ value) => html`
    <${Head} title=${subject(value)}><${Actions} task=${value} path=${path} reload=${task.reload} /></${Head}>
    <p class="bar"><${Status} status=${value.status} /> ${value.error && html`<strong>${value.error}</strong>`}
      ${value.reason && value.reason !== value.error && html`<span class="badge">${named("reason", value.reason)}</span>`}
      <span class="soft">${t("column.updated")} <${Time} at=${value.updated_at} />${isLive && value.due_at && html` · ${t("column.due")} <${Time} at=${value.due_at} />`}</span></p>
    ${value.progress && isLive && html`<${Progress} progress=${value.progress} />`}
    ${explained.value && isLive && html`<${Reasons} reasons=${explained.value.reasons} />`}
    <div class="split"><${Card} title=${t("task.timeline")}><${Timeline} task=${value} /></${Card}><${About} task=${value} /></div>
    <div class="tabs" role="group" aria-label=${t("task.parts")}>${tabs.map(([name, text]) => html`<button type="button" key=${name} aria-pressed=${String(tab === name)} onClick=${() => changeQuery({ tab: name })}>
      ${text}${name === "attempts" ? html` <span class="count">${number(value.attempts.length)}</span>` : ""}</button>`)}</div>
    ${tab === "attempts" && html`<${Lazy} load=${() => import("./attempts.js")} name="attempts" task=${value} path=${path} />`}
    ${tab === "body" && html`<${Lazy} load=${() => import("./body.js")} name="body" task=${value} path=${path} />`}
    ${tab === "reports" && html`<${Reports} task=${value} />`}
    ${tab === "json" && html`<${Card} title="JSON" actions=${html`<${Copy} text=${JSON.stringify(value, null, 2)} label="JSON" />`}><pre class="tall" tabindex="0">${JSON.stringify(value, null, 2)}</pre></${Card}>`}`}</${Answer}>`;
}
