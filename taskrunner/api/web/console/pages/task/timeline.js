// The time line of a task, from its submit to its end.
import { duration, moment, named, t, Time } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";

/** @typedef {{at: string, kind: string, text: string, detail?: string, tone?: string}} Step */

/** What happened to a task, in order. @param {any} task @returns {Step[]} */
export function stepsOf(task) {
  /** @type {Step[]} */
  const steps = [{ at: task.created_at, kind: "submitted", text: t("step.submitted"), detail: task.created_by ? t("step.by", { key: task.created_by }) : "" }];
  const waits = task.due_at && task.status !== "running" && !task.finished_at;
  // The next attempt tells the same time.
  const isNext = waits && task.status !== "queued" && Math.abs(Date.parse(task.due_at) - Date.parse(task.run_at)) < 1000;
  if (task.run_at && task.run_at > task.created_at && !isNext) steps.push({ at: task.run_at, kind: "planned", text: t("step.run_at") });
  for (const each of task.attempts) {
    const took = each.finished_at && (Date.parse(each.finished_at) - Date.parse(each.started_at)) / 1000;
    steps.push({
      at: each.started_at,
      kind: "attempt",
      text: t("step.attempt", { number: each.number }) + (each.finished_at ? `: ${named("outcome", each.outcome)}` : ""),
      detail: [each.finished_at ? duration(took) : t("task.runs"), each.status_code, each.error, each.counted ? "" : t("step.uncounted")].filter(Boolean).join(" · "),
      tone: each.finished_at ? (each.outcome === "ok" ? "good" : "bad") : "info",
    });
  }
  if (task.snoozes) steps.push({ at: task.updated_at, kind: "snoozed", text: t("step.snoozed", { count: task.snoozes }), detail: task.waits_for ?? "" });
  if (task.finished_at) steps.push({ at: task.finished_at, kind: "end", text: named("status", task.status), detail: task.error ?? "", tone: task.status === "succeeded" ? "good" : task.status === "failed" ? "bad" : "" });
  else if (waits) steps.push({ at: task.due_at, kind: "due", text: t(task.status === "queued" ? "step.looked_at" : "step.next"), tone: "info" });
  return steps;
}

/** @param {{task: any}} props */
export function Timeline({ task }) {
  const steps = stepsOf(task);
  return html`<ol class="timeline">${steps.map((step, index) => {
    const wait = index ? (Date.parse(step.at) - Date.parse(steps[index - 1].at)) / 1000 : 0;
    return html`<li key=${`${step.kind}${index}`} class=${step.tone || ""}><span class="when" title=${moment(step.at)}><${Time} at=${step.at} />${wait >= 0.0005 && html`<span class="soft"> +${duration(wait)}</span>`}</span>
      <span><strong>${step.text}</strong> ${step.detail && html`<span class="soft">${step.detail}</span>`}</span></li>`;
  })}</ol>`;
}
