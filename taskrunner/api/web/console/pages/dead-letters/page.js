// The page of dead letters: what failed for good and what could not be read, in groups and one by one; requeue or delete.
import { address, changeQuery, Lazy, place } from "../../app.js";
import { ask, useAsk, useCell, withQuery } from "../../lib/api.js";
import { Answer, attempt, Button, Empty, Head, named, Scroll, t, Time } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";
import { Groups } from "./groups.js";

const PAGE_SIZE = 50;
const FILTERS = ["reason", "outcome", "host", "executor", "queue", "label", "label_text", "created_by", "created_after", "created_before", "finished_after", "finished_before"];

/** @param {{conditions: Record<string, string[]>}} props */
const Chips = ({ conditions }) => html`<div class="bar">${Object.entries(conditions).flatMap(([name, values]) => values.map((value) => html`<button type="button" class="chip" key=${name + value} title=${t("filter.remove")}
    onClick=${() => changeQuery({ [name]: values.filter((each) => each !== value), cursor: "" })}><span class="soft">${t(`condition.${name}`)}</span> ${value} <span aria-hidden="true">✕</span></button>`))}
  <button type="button" class="quiet" onClick=${() => changeQuery({ finished_after: "24h", cursor: "" })}>${t("letters.today")}</button></div>`;

/** @param {{letters: any[], selected: string[], select: (ids: string[]) => void, open: (dialog: any) => void, changed: () => void}} props */
function Letters({ letters, selected, select, open, changed }) {
  /** @param {string} id */
  const turn = (id) => select(selected.includes(id) ? selected.filter((each) => each !== id) : [...selected, id]);
  /** @param {any} letter */
  const requeue = (letter) => attempt(() => ask(`dead-letters/${encodeURIComponent(letter.id)}/requeue`, { method: "POST" }), t("letters.requeued")).then(changed);
  return html`<${Scroll} label=${t("page.dead-letters")}><table class="stack"><thead><tr><th>${t("letters.select")}</th><th>${t("letters.what")}</th><th>${t("letters.error")}</th><th>${t("column.queue")}</th><th>${t("letters.died")}</th><th>${t("queues.actions")}</th></tr></thead>
    <tbody>${letters.map((letter) => html`<tr key=${letter.id} aria-selected=${String(selected.includes(letter.id))}><td><input type="checkbox" aria-label=${t("letters.select.one", { id: letter.id })} checked=${selected.includes(letter.id)} onChange=${() => turn(letter.id)} /></td>
      <td class="name">${letter.kind === "task" ? html`<a href=${address(["tasks", letter.id])}>${letter.executor ?? letter.url}</a>` : html`<button type="button" class="link" onClick=${() => open({ message: letter.id })}>${t("letters.message")}</button>`}</td>
      <td class="name">${letter.error ?? named("outcome", letter.reason)}</td><td>${letter.queue ?? "–"}</td><td><${Time} at=${letter.died_at} /></td>
      <td><div class="bar"><${Button} needs="operate" why=${letter.kind === "task" ? "" : t("letters.unreadable")} onClick=${() => requeue(letter)}>${t("bulk.requeue")}</${Button}></div></td></tr>`)}</tbody></table></${Scroll}>`;
}

/** @param {{dialog: any, conditions: Record<string, string[]>, close: () => void, done: () => void}} props */
function Dialogs({ dialog, conditions, close, done }) {
  if (dialog?.message) return html`<${Lazy} name="dead-letters/message" load=${() => import("./message.js")} id=${dialog.message} close=${close} />`;
  if (dialog?.requeue) return html`<${Lazy} name="dead-letters/requeue" load=${() => import("./requeue.js")} conditions=${dialog.requeue} close=${close} done=${done} />`;
  return dialog && html`<${Lazy} name="tasks/bulk" load=${() => import("../tasks/bulk.js")} ...${dialog} resource="dead-letters" conditions=${conditions} close=${close} done=${done} />`;
}

export default function DeadLetters() {
  const { query } = useCell(place);
  const conditions = Object.fromEntries(FILTERS.map((name) => [name, query.getAll(name)]).filter(([, values]) => values.length));
  const cursor = query.get("cursor") ?? "";
  const path = withQuery("dead-letters", { ...conditions, cursor, limit: PAGE_SIZE });
  const letters = useAsk(path, { every: 10 });
  const [selected, setSelected] = useState(/** @type {string[]} */ ([]));
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  useEffect(() => setSelected([]), [path]);
  /** @param {string} action */
  const open = (action) => setDialog(selected.length || action !== "requeue" ? { action, ids: selected.length ? selected : null } : { requeue: conditions });
  const chosen = selected.length ? t("tasks.selected", { count: selected.length }) : t("letters.all");
  return html`<${Head} title=${t("page.dead-letters")}><span class="soft">${chosen}</span>
      <${Button} needs="operate" onClick=${() => open("requeue")}>${t("bulk.requeue")}</${Button}><${Button} needs="operate" kind="danger" onClick=${() => open("delete")}>${t("bulk.delete")}</${Button}></${Head}>
    <${Chips} conditions=${conditions} />
    <${Groups} conditions=${conditions} bucket=${query.get("bucket") === "1d" ? "1d" : "1h"} requeue=${(/** @type {any} */ found) => setDialog({ requeue: found })} />
    <${Answer} asked=${letters}>${(/** @type {any} */ { dead_letters: found, next_cursor: older }) => html`
      ${found.length ? html`<${Letters} letters=${found} selected=${selected} select=${setSelected} open=${setDialog} changed=${letters.reload} />` : !older && html`<${Empty} title=${t("letters.none")}><p class="soft">${t("letters.none.next")}</p></${Empty}>`}
      ${(cursor || older) && html`<div class="bar">${cursor && html`<button type="button" onClick=${() => changeQuery({ cursor: "" })}>${t("letters.newest")}</button>`}${older && html`<button type="button" onClick=${() => changeQuery({ cursor: older })}>${t("letters.older")}</button>`}</div>`}`}</${Answer}>
    <${Dialogs} dialog=${dialog} conditions=${conditions} close=${() => setDialog(null)} done=${() => (setSelected([]), letters.reload())} />`;
}
