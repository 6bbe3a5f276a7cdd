// The page of tasks: a list that is filtered by its address and stays still while it is read.
import { address, changeQuery, go, Lazy, place, useKeys } from "../../app.js";
import { ask, useAsk, useCell, withQuery } from "../../lib/api.js";
import { useTaskList } from "../../lib/live.js";
import { Button, Empty, Failure, Head, Loading, moment, named, number, Scroll, size, Status, subject, t, Time } from "../../lib/ui.js";
import { html, useEffect, useRef, useState } from "../../vendor/view.js";

const PAGE_SIZE = 50;
const KEPT_COLUMNS = "taskrunner.columns";
const FIRST_COLUMNS = ["status", "task", "queue", "attempt", "result", "updated"];

const STATUSES = ["scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled"];
export const CONDITIONS = ["queue", "label", "label_text", "host", "executor", "outcome", "reason", "created_by", "created_after", "created_before", "finished_after", "finished_before"];
/** @param {{counts: Record<string, number> | undefined, status: string, choose: (status: string) => void}} props */
function StatusTabs({ counts, status, choose }) {
  const total = counts && Object.values(counts).reduce((sum, count) => sum + count, 0);
  return html`<div class="tabs" role="group" aria-label=${t("tasks.status")}>${["", ...STATUSES].map(
    (each) => html`<button type="button" key=${each} aria-pressed=${String(each === status)} onClick=${() => choose(each)}>
      ${each ? named("status", each) : t("tasks.all")} <span class="count">${counts ? number(each ? counts[each] : total) : ""}</span></button>`,
  )}</div>`;
}

/** `host:a.test` as a condition, and a URL as its host; words without a name are looked for in labels. @param {string} typed @returns {[string, string]} */
function conditionIn(typed) {
  const [, name, value] = /^(\w+):(.+)$/s.exec(typed) ?? [];
  if (CONDITIONS.includes(name)) return [name, value];
  return /^https?:\/\//.test(typed) && URL.canParse(typed) ? ["host", new URL(typed).host] : ["label_text", typed];
}

/** Whether a task has this id. @param {string} id */
const isTask = (id) => ask(withQuery(`tasks/${encodeURIComponent(id)}`, { fields: "id" })).then(() => true, () => false);

/**
 * @param {{conditions: Record<string, string[]>, tasks: any[], change: (changes: Record<string, any>) => void}} props
 */
function FilterBar({ conditions, tasks, change }) {
  const [typed, setTyped] = useState("");
  const [suggest, setSuggest] = useState(() => /** @type {(typed: string, tasks: any[]) => string[]} */ (() => []));
  const begin = () => void import("./suggestions.js").then((module) => setSuggest(() => module.suggestions));
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    const text = typed.trim();
    if (!text || text.endsWith(":")) return;
    const [name, value] = conditionIn(text);
    // Ids are what operators have at hand, from a log or a colleague.
    if (name === "label_text" && !text.includes(":") && (await isTask(text))) return go(address(["tasks", text]));
    change({ [name]: name === "label" ? [...(conditions.label ?? []), value] : value });
    return setTyped("");
  };
  const chips = Object.entries(conditions).filter(([name]) => name !== "status").flatMap(([name, values]) => values.map((value) => [name, value]));
  return html`<form class="filter" role="search" onSubmit=${submit}>
    ${chips.map(([name, value]) => html`<button type="button" class="chip" key=${`${name}:${value}`} title=${t("filter.remove")} onClick=${() => change({ [name]: conditions[name].filter((each) => each !== value) })}>
      <span class="soft">${t(`condition.${name}`)}</span> ${/^\d{4}-.*T/.test(value) ? moment(value) : value} <span aria-hidden="true">✕</span></button>`)}
    <input data-search list="suggestions" aria-label=${t("filter.input")} placeholder=${t("filter.placeholder")} value=${typed} autocomplete="off" spellcheck=${false}
      onFocus=${begin} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />
    <datalist id="suggestions">${suggest(typed, tasks).map((each) => html`<option key=${each} value=${each} />`)}</datalist>
    <button>${t("filter.add")}</button>
  </form>`;
}

/** Why it is where it is, or what it has brought. @param {any} task */
export function outcome(task) {
  if (task.status === "succeeded" && task.result) return [task.result.status_code, size(task.result.size)].filter(Boolean).join(" · ");
  if (task.error) return task.error;
  if (task.waits_for) return t("task.waits_for", { reason: task.waits_for });
  return "";
}

/** @type {Record<string, (task: any) => any>} */
const CELLS = {
  status: (task) => html`<${Status} status=${task.status} />`,
  task: (task) => html`<a href=${address(["tasks", task.id])}>${subject(task)}</a>`,
  id: (task) => html`<code>${task.id}</code>`,
  queue: (task) => task.queue,
  attempt: (task) => `${number(task.attempt)}/${number(task.attempt_limit)}`,
  result: (task) => outcome(task),
  labels: (task) => Object.entries(task.labels).map(([name, value]) => html`<span class="label">${value ? `${name}=${value}` : name}</span> `),
  created_by: (task) => task.created_by,
  created: (task) => html`<${Time} at=${task.created_at} />`,
  due: (task) => html`<${Time} at=${task.due_at} />`,
  updated: (task) => html`<${Time} at=${task.updated_at} />`,
};
export const COLUMNS = Object.keys(CELLS);

/**
 * @param {{tasks: any[], columns: string[], selected: Set<string>, at: number, toggle: (id: string) => void, toggleAll: () => void}} props
 */
function TaskTable({ tasks, columns, selected, at, toggle, toggleAll }) {
  const shown = COLUMNS.filter((name) => columns.includes(name));
  return html`<${Scroll} label=${t("page.tasks")}><table class="rows">
    <thead><tr>
      <th class="box"><input type="checkbox" aria-label=${t("tasks.select.page")} checked=${tasks.length > 0 && tasks.every((task) => selected.has(task.id))} onChange=${toggleAll} /></th>
      ${shown.map((name) => html`<th key=${name} class=${`col-${name}`}>${t(`column.${name}`)}</th>`)}
    </tr></thead>
    <tbody>${tasks.map((task, index) => html`<tr key=${task.id} id=${`row-${index}`} class=${index === at ? "at" : ""} aria-selected=${String(selected.has(task.id))}>
      <td class="box"><input type="checkbox" aria-label=${t("tasks.select.one", { id: task.id })} checked=${selected.has(task.id)} onChange=${() => toggle(task.id)} /></td>
      ${shown.map((name) => html`<td key=${name} class=${`col-${name}`} data-name=${t(`column.${name}`)} title=${name === "result" ? outcome(task) : undefined}>${CELLS[name](task)}</td>`)}
    </tr>`)}</tbody>
  </table></${Scroll}>`;
}

/** Whether changes are shown as they happen; if not, why, and what is done about it. @param {{stream: import("../../lib/live.js").Stream}} props */
function StreamState({ stream: { state, problem } }) {
  if (state === "on") return html`<span class="soft" title=${t("tasks.stream.title")}>${t("tasks.stream.on")}</span>`;
  if (state === "off") return null;
  return html`<span class="badge warn" role="status" title=${problem?.message}>${problem ? t("tasks.stream.refused", { status: problem.status }) : t("tasks.stream.lost")}</span>`;
}

/** The conditions in the address. @param {URLSearchParams} query @returns {Record<string, string[]>} */
function conditionsOf(query) {
  return Object.fromEntries(["status", ...CONDITIONS].map((name) => [name, query.getAll(name)]).filter(([, values]) => values.length));
}

export default function Tasks() {
  const { query } = useCell(place);
  const conditions = conditionsOf(query);
  const path = withQuery("tasks", { limit: PAGE_SIZE, view: "basic", fields: "executor,result", sort: query.get("sort"), ...conditions });
  const { list, stream, more, reload } = useTaskList(path, conditions);
  // They are of all tasks, so they stand beside no other selection.
  const isWhole = Object.keys(conditions).every((name) => name === "status");
  const counts = useAsk(isWhole ? "stats" : null, { every: 5 });
  const [selected, select] = useState(/** @type {Set<string>} */ (new Set()));
  const [all, selectAll] = useState(false);
  // The row that the keys are on: a second key may come before the first one is drawn.
  const row = useRef(-1);
  const [at, setAt] = useState(-1);
  const [dialog, setDialog] = useState("");
  const [columns, setColumns] = useState(/** @type {string[]} */ (JSON.parse(localStorage.getItem(KEPT_COLUMNS) || "null") || FIRST_COLUMNS));
  useEffect(() => {
    select(new Set());
    selectAll(false);
    setAt((row.current = -1));
  }, [path]);
  const tasks = list?.tasks ?? [];
  /** @param {string} id */
  const toggle = (id) => {
    // Without one of all that match, those that are listed stay selected.
    select((before) => {
      const next = new Set(all ? tasks.map((task) => task.id) : before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
    selectAll(false);
  };
  const toggleAll = () => {
    const whole = all || tasks.every((task) => selected.has(task.id));
    select(whole ? new Set() : new Set(tasks.map((task) => task.id)));
    selectAll(false);
  };
  /** @param {number} step */
  const move = (step) => {
    const next = Math.max(0, Math.min(tasks.length - 1, row.current + step));
    setAt((row.current = next));
    document.getElementById(`row-${next}`)?.scrollIntoView({ block: "nearest" });
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    x: () => tasks[row.current] && toggle(tasks[row.current].id),
    Enter: () => tasks[row.current] && go(address(["tasks", tasks[row.current].id])),
  });
  /** @param {string[]} next */
  const keepColumns = (next) => {
    localStorage.setItem(KEPT_COLUMNS, JSON.stringify(next));
    setColumns(next);
  };
  const chosen = all ? null : [...selected];
  const some = all || selected.size > 0;
  return html`<${Head} title=${t("page.tasks")}>
      <${StreamState} stream=${stream} />
      <${Button} onClick=${() => setDialog("columns")}>${t("tasks.columns")}</${Button}>
      <${Button} onClick=${() => setDialog("views")}>${t("tasks.views")}</${Button}>
    </${Head}>
    <${StatusTabs} counts=${counts.value?.counts} status=${query.get("status") || ""} choose=${(/** @type {string} */ status) => changeQuery({ status })} />
    <${FilterBar} conditions=${conditions} tasks=${tasks} change=${changeQuery} />
    <div class="bar" role="toolbar" aria-label=${t("tasks.bulk")}>
      <span class="grow">${some ? (all ? t("tasks.selected.all") : t("tasks.selected", { count: selected.size })) : html`<span class="soft">${t("tasks.selected.none")}</span>`}
        ${some && !all && html`<button type="button" class="link" onClick=${() => selectAll(true)}>${t("tasks.select.all")}</button>`}
        ${some && html`<button type="button" class="link" onClick=${() => (select(new Set()), selectAll(false))}>${t("tasks.select.none")}</button>`}</span>
      ${list && list.fresh.size > 0 && html`<button type="button" class="primary" onClick=${reload}>${t("tasks.fresh", { count: list.fresh.size })}</button>`}
      ${["cancel", "requeue", "delete"].map((action) => html`<${Button} key=${action} needs="operate" why=${some ? "" : t("tasks.selected.none")} kind=${action === "delete" ? "danger" : ""} onClick=${() => setDialog(action)}>${t(`bulk.${action}`)}</${Button}>`)}
    </div>
    ${list?.error && html`<${Failure} error=${list.error} retry=${reload} />`}
    ${!list && html`<${Loading} lines=${12} />`}
    ${list && !list.error && !tasks.length && html`<${Empty} title=${t(Object.keys(conditions).length ? "tasks.none.match" : "tasks.none")}><p class="soft">${t(Object.keys(conditions).length ? "tasks.none.match.next" : "tasks.none.next")}</p></${Empty}>`}
    ${tasks.length > 0 && html`<${TaskTable} tasks=${tasks} columns=${columns} selected=${all ? new Set(tasks.map((task) => task.id)) : selected} at=${at}
      toggle=${toggle} toggleAll=${toggleAll} />`}
    ${list?.cursor && html`<p><${Button} onClick=${more}>${t("tasks.more")}</${Button}></p>`}
    ${dialog === "columns" && html`<${Lazy} load=${() => import("./columns.js")} name="columns" columns=${columns} choose=${keepColumns} close=${() => setDialog("")} />`}
    ${dialog === "views" && html`<${Lazy} load=${() => import("./views.js")} name="views" query=${query.toString()} close=${() => setDialog("")} />`}
    ${["cancel", "requeue", "delete"].includes(dialog) && html`<${Lazy} load=${() => import("./bulk.js")} name=${dialog} action=${dialog} ids=${chosen} conditions=${conditions}
      close=${() => setDialog("")} done=${() => (select(new Set()), selectAll(false), reload())} />`}`;
}
