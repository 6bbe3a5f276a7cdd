// The page of dead letters: what failed for good and what could not be read, by reason and host; requeue or delete.
import { address, changeQuery, Lazy, place } from "../../app.js";
import { ask, useAsk, useCell, withQuery } from "../../lib/api.js";
import { Answer, attempt, Button, Empty, Head, named, number, Scroll, t, Time } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";

const MOST = 200;
const FILTERS = ["reason", "outcome", "host", "executor", "queue", "label", "label_text", "created_by", "created_after", "created_before", "finished_after", "finished_before"];

/** @param {any} letter */
const hostOf = (letter) => letter.executor ?? (letter.url && URL.canParse(letter.url) ? new URL(letter.url).host : "");

/** Those of the same reason and host, most first. @param {any[]} letters */
function groups(letters) {
  const found = new Map();
  for (const letter of letters) {
    const key = `${letter.reason}\n${hostOf(letter)}`;
    const group = found.get(key) ?? { key, reason: letter.reason, outcome: letter.outcome, host: hostOf(letter), executor: letter.executor, count: 0, first: letter.died_at, last: letter.died_at };
    group.count += 1;
    if (letter.died_at < group.first) group.first = letter.died_at;
    if (letter.died_at > group.last) group.last = letter.died_at;
    found.set(key, group);
  }
  return [...found.values()].sort((one, other) => other.count - one.count);
}

/** @param {{letters: any[]}} props */
const Groups = ({ letters }) => html`<${Scroll} label=${t("letters.groups")}><table><thead><tr><th>${t("letters.reason")}</th><th>${t("letters.where")}</th><th class="number">${t("letters.count")}</th><th>${t("letters.first")}</th><th>${t("letters.last")}</th></tr></thead>
  <tbody>${groups(letters).map((group) => html`<tr key=${group.key}><th scope="row"><button type="button" class="link" onClick=${() => changeQuery({ reason: group.reason, ...(group.executor ? { executor: group.executor } : { host: group.host }) })}>${named("outcome", group.reason)}</button></th>
    <td>${group.host || "–"}</td><td class="number">${number(group.count)}</td><td><${Time} at=${group.first} /></td><td><${Time} at=${group.last} /></td></tr>`)}</tbody></table></${Scroll}>`;

export default function DeadLetters() {
  const { query } = useCell(place);
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.getAll(name)]).filter(([, values]) => values.length));
  const path = withQuery("dead-letters", { ...filter, limit: MOST });
  const letters = useAsk(path, { every: 10 });
  const [selected, setSelected] = useState(/** @type {string[]} */ ([]));
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  useEffect(() => setSelected([]), [path]);
  /** @param {string} id */
  const turn = (id) => setSelected(selected.includes(id) ? selected.filter((each) => each !== id) : [...selected, id]);
  /** @param {string} action */
  const open = (action) => setDialog({ action, ids: selected.length ? selected : null });
  /** @param {any} letter */
  const requeue = (letter) => attempt(() => ask(`dead-letters/${encodeURIComponent(letter.id)}/requeue`, { method: "POST" }), t("letters.requeued")).then(letters.reload);
  const chosen = selected.length ? t("tasks.selected", { count: selected.length }) : t("letters.all");
  return html`<${Head} title=${t("page.dead-letters")}><span class="soft">${chosen}</span>
      <${Button} needs="operate" onClick=${() => open("requeue")}>${t("bulk.requeue")}</${Button}><${Button} needs="operate" kind="danger" onClick=${() => open("delete")}>${t("bulk.delete")}</${Button}></${Head}>
    <div class="bar">${Object.entries(filter).flatMap(([name, values]) => values.map((/** @type {string} */ value) => html`<button type="button" class="chip" key=${name + value} onClick=${() => changeQuery({ [name]: values.filter((/** @type {string} */ each) => each !== value) })}>${t(`condition.${name}`)}: ${value} ✕</button>`))}
      <button type="button" class="quiet" onClick=${() => changeQuery({ finished_after: "24h" })}>${t("letters.today")}</button></div>
    <${Answer} asked=${letters}>${(/** @type {any} */ { dead_letters: found, next_cursor: more }) => found.length
      ? html`<${Groups} letters=${found} />${more && html`<p class="soft">${t("letters.more", { count: MOST })}</p>`}
        <${Scroll} label=${t("page.dead-letters")}><table><thead><tr><th>${t("letters.select")}</th><th>${t("letters.what")}</th><th>${t("letters.error")}</th><th>${t("column.queue")}</th><th>${t("letters.died")}</th><th>${t("queues.actions")}</th></tr></thead>
          <tbody>${found.map((/** @type {any} */ letter) => html`<tr key=${letter.id} aria-selected=${String(selected.includes(letter.id))}><td><input type="checkbox" aria-label=${t("letters.select.one", { id: letter.id })} checked=${selected.includes(letter.id)} onChange=${() => turn(letter.id)} /></td>
            <td>${letter.kind === "task" ? html`<a href=${address(["tasks", letter.id])}>${letter.executor ?? letter.url}</a>` : html`<button type="button" class="link" onClick=${() => setDialog({ message: letter.id })}>${t("letters.message")}</button>`}</td>
            <td>${letter.error ?? named("outcome", letter.reason)}</td><td>${letter.queue ?? "–"}</td><td><${Time} at=${letter.died_at} /></td>
            <td><div class="bar"><${Button} needs="operate" why=${letter.kind === "task" ? "" : t("letters.unreadable")} onClick=${() => requeue(letter)}>${t("bulk.requeue")}</${Button}></div></td></tr>`)}</tbody></table></${Scroll}>`
      : html`<${Empty} title=${t("letters.none")}><p class="soft">${t("letters.none.next")}</p></${Empty}>`}</${Answer}>
    ${dialog?.action && html`<${Lazy} name="tasks/bulk" load=${() => import("../tasks/bulk.js")} ...${dialog} resource="dead-letters" conditions=${filter} close=${() => setDialog(null)} done=${() => (setSelected([]), letters.reload())} />`}
    ${dialog?.message && html`<${Lazy} name="dead-letters/message" load=${() => import("./message.js")} id=${dialog.message} close=${() => setDialog(null)} />`}`;
}
