// The page of tasks: a list that is filtered by its address and stays still while it is read.
import { address, changeQuery, go, Lazy, place, useKeys } from "../../app.js";
import { ask, useAsk, useCell, useEvents, withQuery } from "../../lib/api.js";
import { Button, Empty, Failure, Head, Loading, named, number, Scroll, size, Status, subject, t, Time } from "../../lib/ui.js";
import { html, useCallback, useEffect, useRef, useState } from "../../vendor/view.js";

const PAGE_SIZE = 50;
// Events are shown together, so that a thousand a second draw the page no more than this often (milliseconds).
const DRAW_EVERY = 400;
const KEPT_COLUMNS = "taskrunner.columns";
const FIRST_COLUMNS = ["status", "task", "queue", "attempt", "result", "updated"];

const STATUSES = ["scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled"];
const CONDITIONS = ["queue", "label", "label_text", "host", "executor", "outcome", "reason", "created_by", "created_after", "created_before", "finished_after", "finished_before"];
const OUTCOMES = ["http_error", "timeout", "connect_error", "dns_error", "tls_error", "protocol_error", "too_large", "too_many_redirects", "blocked", "decode_error", "interrupted", "handler_error", "ok"];
const AGES = ["15m", "1h", "12h", "24h", "7d"];

/** @param {{counts: Record<string, number> | undefined, status: string, choose: (status: string) => void}} props */
function StatusTabs({ counts, status, choose }) {
  const total = counts && Object.values(counts).reduce((sum, count) => sum + count, 0);
  return html`<div class="tabs" role="group" aria-label=${t("tasks.status")}>${["", ...STATUSES].map(
    (each) => html`<button type="button" key=${each} aria-pressed=${String(each === status)} onClick=${() => choose(each)}>
      ${each ? named("status", each) : t("tasks.all")} <span class="count">${counts ? number(each ? counts[each] : total) : ""}</span></button>`,
  )}</div>`;
}

/** What the listed tasks have in common with a condition. @param {any[]} tasks @returns {Record<string, string[]>} */
function seen(tasks) {
  /** @type {Record<string, Set<string>>} */
  const found = { queue: new Set(), label: new Set(), host: new Set(), executor: new Set(["http"]), created_by: new Set(), outcome: new Set(OUTCOMES) };
  for (const task of tasks) {
    found.queue.add(task.queue);
    if (task.url) found.host.add(hostOf(task.url));
    if (task.executor) found.executor.add(task.executor);
    if (task.created_by) found.created_by.add(task.created_by);
    for (const [name, value] of Object.entries(task.labels)) found.label.add(`${name}=${value}`);
  }
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, [...values].filter(Boolean).sort().slice(0, 20)]));
}

/** @param {string} url */
function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return "";
  }
}

/** Completions of what is typed. @param {string} typed @param {any[]} tasks */
function suggestions(typed, tasks) {
  const [name, value] = typed.split(/:(.*)/s);
  if (value === undefined) return CONDITIONS.filter((each) => each.includes(name.trim())).map((each) => `${each}:`);
  const known = /_(after|before)$/.test(name) ? AGES : (seen(tasks)[name] ?? []);
  return known.filter((each) => each.includes(value)).map((each) => `${name}:${each}`);
}

/** `host:a.test` as a condition; words without a name are looked for in labels. @param {string} typed @returns {[string, string] | null} */
function conditionIn(typed) {
  const [, name, value] = /^(\w+):(.+)$/s.exec(typed.trim()) ?? [];
  if (CONDITIONS.includes(name)) return [name, value];
  return typed.trim() ? ["label_text", typed.trim()] : null;
}

/**
 * @param {{conditions: Record<string, string[]>, tasks: any[], change: (changes: Record<string, any>) => void}} props
 */
function FilterBar({ conditions, tasks, change }) {
  const [typed, setTyped] = useState("");
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    const found = conditionIn(typed);
    if (!found || typed.trim().endsWith(":")) return;
    const [name, value] = found;
    change({ [name]: name === "label" ? [...(conditions.label ?? []), value] : value });
    setTyped("");
  };
  const chips = Object.entries(conditions).filter(([name]) => name !== "status").flatMap(([name, values]) => values.map((value) => [name, value]));
  return html`<form class="filter" role="search" onSubmit=${submit}>
    ${chips.map(([name, value]) => html`<button type="button" class="chip" key=${`${name}:${value}`} title=${t("filter.remove")} onClick=${() => change({ [name]: conditions[name].filter((each) => each !== value) })}>
      <span class="soft">${t(`condition.${name}`)}</span> ${value} <span aria-hidden="true">✕</span></button>`)}
    <input data-search list="suggestions" aria-label=${t("filter.input")} placeholder=${t("filter.placeholder")} value=${typed} autocomplete="off" spellcheck=${false}
      onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />
    <datalist id="suggestions">${suggestions(typed, tasks).map((each) => html`<option key=${each} value=${each} />`)}</datalist>
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

/** @typedef {{path: string, tasks: any[], cursor: string | null, fresh: Map<string, any>, error: import("../../lib/api.js").Problem | null}} List */

/** The conditions in the address. @param {URLSearchParams} query @returns {Record<string, string[]>} */
function conditionsOf(query) {
  return Object.fromEntries(["status", ...CONDITIONS].map((name) => [name, query.getAll(name)]).filter(([, values]) => values.length));
}

/**
 * The tasks of a path. Rows change where they are; new tasks wait in `fresh` until `showFresh`.
 * @param {string} path @param {Record<string, string[]>} conditions
 */
function useTaskList(path, conditions) {
  const [list, setList] = useState(/** @type {List | null} */ (null));
  const [loads, setLoads] = useState(0);
  const { status, ...others } = conditions;
  const merge = useCallback((/** @type {any[]} */ tasks) => {
    setList((before) => before && merged(before, tasks, status?.[0]));
  }, [path]);
  useEffect(() => {
    let gone = false;
    ask(path).then(
      (page) => gone || setList({ path, tasks: page.tasks, cursor: page.next_cursor, fresh: new Map(), error: null }),
      (error) => gone || setList((before) => ({ path, tasks: before?.path === path ? before.tasks : [], cursor: null, fresh: new Map(), error })),
    );
    return () => {
      gone = true;
    };
  }, [path, loads]);
  const waiting = useRef(/** @type {Map<string, any>} */ (new Map()));
  const stream = useEvents(list ? withQuery("events", others) : null, (event) => {
    if (event.task) waiting.current.set(event.task_id, event.task);
  });
  useEffect(() => {
    const timer = setInterval(() => {
      if (!waiting.current.size) return;
      merge([...waiting.current.values()]);
      waiting.current = new Map();
    }, DRAW_EVERY);
    return () => clearInterval(timer);
  }, [merge]);
  // Without a stream, the newest page is asked for now and then.
  const polled = useAsk(stream === "lost" ? path : null, { every: 5 });
  useEffect(() => {
    if (polled.value) merge(polled.value.tasks);
  }, [polled.value]);
  const more = async () => {
    if (!list?.cursor) return;
    const page = await ask(withQuery(path.split("?")[0], { ...Object.fromEntries(new URLSearchParams(path.split("?")[1])), ...conditions, cursor: list.cursor }));
    setList((before) => before && { ...before, tasks: [...before.tasks, ...page.tasks], cursor: page.next_cursor });
  };
  return { list: list?.path === path ? list : null, stream, more, showFresh: () => setLoads(loads + 1) };
}

/** @param {List} list @param {any[]} tasks @param {string | undefined} status @returns {List} */
function merged(list, tasks, status) {
  const known = new Map(tasks.map((task) => [task.id, task]));
  const here = new Set(list.tasks.map((task) => task.id));
  const fresh = new Map(list.fresh);
  for (const task of tasks) {
    if (!here.has(task.id) && (!status || task.status === status)) fresh.set(task.id, task);
  }
  return { ...list, fresh, tasks: list.tasks.map((task) => known.get(task.id) ?? task) };
}

export default function Tasks() {
  const { query } = useCell(place);
  const conditions = conditionsOf(query);
  const path = withQuery("tasks", { limit: PAGE_SIZE, view: "basic", fields: "executor,result", sort: query.get("sort"), ...conditions });
  const { list, stream, more, showFresh } = useTaskList(path, conditions);
  const counts = useAsk("stats", { every: 5 });
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
      <span class="soft" title=${t("tasks.stream.title")}>${stream === "on" ? t("tasks.stream.on") : stream === "lost" ? t("tasks.stream.lost") : ""}</span>
      <${Button} onClick=${() => setDialog("columns")}>${t("tasks.columns")}</${Button}>
      <${Button} onClick=${() => setDialog("views")}>${t("tasks.views")}</${Button}>
    </${Head}>
    <${StatusTabs} counts=${counts.value?.counts} status=${query.get("status") || ""} choose=${(/** @type {string} */ status) => changeQuery({ status })} />
    <${FilterBar} conditions=${conditions} tasks=${tasks} change=${changeQuery} />
    <div class="bar" role="toolbar" aria-label=${t("tasks.bulk")}>
      <span class="grow">${some ? (all ? t("tasks.selected.all") : t("tasks.selected", { count: selected.size })) : html`<span class="soft">${t("tasks.selected.none")}</span>`}
        ${some && !all && html`<button type="button" class="link" onClick=${() => selectAll(true)}>${t("tasks.select.all")}</button>`}
        ${some && html`<button type="button" class="link" onClick=${() => (select(new Set()), selectAll(false))}>${t("tasks.select.none")}</button>`}</span>
      ${list && list.fresh.size > 0 && html`<button type="button" class="primary" onClick=${showFresh}>${t("tasks.fresh", { count: list.fresh.size })}</button>`}
      ${["cancel", "requeue", "delete"].map((action) => html`<${Button} key=${action} needs="operate" why=${some ? "" : t("tasks.selected.none")} kind=${action === "delete" ? "danger" : ""} onClick=${() => setDialog(action)}>${t(`bulk.${action}`)}</${Button}>`)}
    </div>
    ${list?.error && html`<${Failure} error=${list.error} retry=${showFresh} />`}
    ${!list && html`<${Loading} lines=${12} />`}
    ${list && !list.error && !tasks.length && html`<${Empty} title=${t(Object.keys(conditions).length ? "tasks.none.match" : "tasks.none")}><p class="soft">${t(Object.keys(conditions).length ? "tasks.none.match.next" : "tasks.none.next")}</p></${Empty}>`}
    ${tasks.length > 0 && html`<${TaskTable} tasks=${tasks} columns=${columns} selected=${all ? new Set(tasks.map((task) => task.id)) : selected} at=${at}
      toggle=${toggle} toggleAll=${toggleAll} />`}
    ${list?.cursor && html`<p><button type="button" onClick=${more}>${t("tasks.more")}</button></p>`}
    ${dialog === "columns" && html`<${Lazy} load=${() => import("./columns.js")} name="columns" columns=${columns} choose=${keepColumns} close=${() => setDialog("")} />`}
    ${dialog === "views" && html`<${Lazy} load=${() => import("./views.js")} name="views" query=${query.toString()} close=${() => setDialog("")} />`}
    ${["cancel", "requeue", "delete"].includes(dialog) && html`<${Lazy} load=${() => import("./bulk.js")} name=${dialog} action=${dialog} ids=${chosen} conditions=${conditions}
      close=${() => setDialog("")} done=${() => (select(new Set()), selectAll(false), showFresh())} />`}`;
}
