// Saved views of the list of tasks: those that everybody needs, and those that this browser has saved.
import { go } from "../../app.js";
import { Dialog } from "../../lib/dialog.js";
import { t } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const SAVED = "taskrunner.views";
/** Midnight, so many days ago, where the reader is. @param {number} days */
function midnight(days) {
  const day = new Date();
  day.setDate(day.getDate() - days);
  day.setHours(0, 0, 0, 0);
  return day.toISOString();
}

const yesterday = () => new URLSearchParams({ status: "failed", outcome: "timeout", finished_after: midnight(1), finished_before: midnight(0) }).toString();

const GIVEN = [
  ["view.failed_today", "status=failed&finished_after=24h"],
  ["view.timeouts", "outcome=timeout&finished_after=24h"],
  ["view.retrying", "status=retrying"],
  ["view.running", "status=running"],
  ["view.oldest_waiting", "status=queued&sort=created_at"],
];

/** @typedef {{name: string, query: string}} View */
/** @returns {View[]} */
const saved = () => JSON.parse(localStorage.getItem(SAVED) || "[]");

/** @param {{query: string, close: () => void}} props */
export default function Views({ query, close }) {
  const [views, setViews] = useState(saved());
  const [name, setName] = useState("");
  /** @param {View[]} next */
  const keep = (next) => {
    localStorage.setItem(SAVED, JSON.stringify(next));
    setViews(next);
  };
  /** @param {Event} event */
  const save = (event) => {
    event.preventDefault();
    keep([...views.filter((each) => each.name !== name), { name, query }]);
    setName("");
  };
  /** @param {string} to */
  const show = (to) => (close(), go(`#/tasks?${to}`));
  return html`<${Dialog} title=${t("tasks.views")} close=${close}>
    <ul class="commands">${[...GIVEN, ["view.timeouts_yesterday", yesterday()]].map(([words, to]) => html`<li key=${to}><button type="button" class="link" onClick=${() => show(to)}>${t(words)}</button></li>`)}
      ${views.map((each) => html`<li key=${each.name}><button type="button" class="link" onClick=${() => show(each.query)}>${each.name}</button>
        <button type="button" class="quiet" aria-label=${t("view.remove", { name: each.name })} onClick=${() => keep(views.filter((other) => other !== each))}>✕</button></li>`)}</ul>
    <form class="form" onSubmit=${save}><label>${t("view.name")}<input required maxlength="60" value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} /></label>
      <button class="primary">${t("view.save")}</button></form>
  </${Dialog}>`;
}
