// The dialogs of schedules: create or change one with a look at its next runs, and delete one.
import { ask, withQuery } from "../../lib/api.js";
import { Confirm, Dialog, FormDialog } from "../../lib/dialog.js";
import { useEditing } from "../../lib/editing.js";
import { parsed } from "../../lib/merge_patch.js";
import { Failure, Loading, t, toast } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";
import { READERS_ZONE, Runs } from "./runs.js";

/** @param {string} name */
const pathOf = (name) => `schedules/${encodeURIComponent(name)}`;

/** @param {{kind: "edit" | "delete", schedule: string, close: () => void}} props `schedule` is empty for a new one */
export default function ScheduleDialog({ kind, schedule, close }) {
  if (kind === "edit") return schedule ? html`<${Edit} name=${schedule} close=${close} />` : html`<${Create} close=${close} />`;
  /** @param {string | null} etag */
  const act = async (etag) => {
    await ask(pathOf(schedule), { method: "DELETE", etag });
    toast(t("schedules.deleted", { name: schedule }));
  };
  return html`<${Confirm} title=${t("schedules.delete", { name: schedule })} words=${schedule} action=${t("bulk.delete")} path=${pathOf(schedule)} matters=${draftOf} act=${act} close=${close}><p>${t("schedules.delete.what")}</p></${Confirm}>`;
}

const RUNS_SHOWN = 10;
// Milliseconds without a key, before the next runs are asked for.
const PAUSE = 250;
const FIELDS = ["cron", "time_zone", "missed", "overlap", "jitter", "conditional", "task"];
const NEW = { cron: "0 3 * * *", time_zone: READERS_ZONE, missed: "once", overlap: "allow", jitter: 0, conditional: false, task: { url: "https://" } };
const ZONES = ["UTC", ...Intl.supportedValuesOf("timeZone")];

/** What can be edited of a schedule. The body is not shown, and stays as it is. @param {any} schedule @returns {Record<string, any>} */
function draftOf(schedule) {
  const draft = Object.fromEntries(FIELDS.map((name) => [name, schedule[name]]));
  const task = Object.fromEntries(Object.entries(draft.task).filter(([name]) => name !== "has_body"));
  // A number of seconds, whatever its digits are.
  return { ...draft, task, jitter: Number(JSON.stringify(draft.jitter)) };
}

/** The task while it is typed. @param {any} task */
const textOf = (task) => JSON.stringify(task, null, 2);

/** @param {{close: () => void}} props */
function Create({ close }) {
  const [name, setName] = useState("");
  const [draft, change] = useState(/** @type {Record<string, any>} */ (NEW));
  const [task, setTask] = useState(textOf(NEW.task));
  const send = async () => {
    await ask("schedules", { method: "POST", body: { ...draft, name, task: parsed(task) } });
    toast(t("schedules.saved", { name }));
  };
  return html`<${FormDialog} wide title=${t("schedules.create")} action=${t("action.save")} send=${send} close=${close}>
    <label>${t("schedules.field.name")}<input required autofocus value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} /></label>
    <${Fields} draft=${draft} change=${change} task=${task} setTask=${setTask} /></${FormDialog}>`;
}

/** @param {{name: string, close: () => void}} props */
function Edit({ name, close }) {
  const { draft, setDraft, error, save, rebase } = useEditing(pathOf(name), { draftOf, parse: parsed });
  const [text, setText] = useState(/** @type {string | null} */ (null));
  const title = t("schedules.edit", { name });
  if (draft === null) return html`<${Dialog} wide title=${title} close=${close}>${error ? html`<${Failure} error=${error} />` : html`<${Loading} lines=${4} />`}</${Dialog}>`;
  const task = text ?? textOf(draft.task);
  /** With the task that was typed. Raises `SyntaxError`. */
  const edited = () => ({ ...draft, task: parsed(task) });
  const send = async () => {
    await save(edited());
    toast(t("schedules.saved", { name }));
  };
  const keep = async () => {
    await rebase(edited());
    // As it is now, with the edits.
    setText(null);
    return false;
  };
  return html`<${FormDialog} wide title=${title} action=${t("action.save")} send=${send} rebase=${keep} close=${close}>
    <${Fields} draft=${draft} change=${setDraft} task=${task} setTask=${setText} /><p class="soft">${t("schedules.what")}</p></${FormDialog}>`;
}

/** The next runs of what is typed. @param {{cron: string, zone: string}} props */
function Preview({ cron, zone }) {
  const [found, setFound] = useState(/** @type {{slots: string[], zone: string} | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      ask(withQuery("timetable", { cron, time_zone: zone, count: RUNS_SHOWN }), { signal: stop.signal }).then(
        ({ slots }) => (setFound({ slots, zone }), setError(null)),
        (failure) => stop.signal.aborted || setError(failure),
      );
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [cron, zone]);
  if (error) return html`<${Failure} error=${error} />`;
  return html`<div class="preview" aria-live="polite"><strong>${t("schedules.next")}</strong>${found ? html`<${Runs} ...${found} />` : html`<${Loading} lines=${4} />`}</div>`;
}

/** @param {{draft: Record<string, any>, change: (draft: Record<string, any>) => void, task: string, setTask: (text: string) => void}} props */
function Fields({ draft, change, task, setTask }) {
  /** @param {string} name @param {any} [more] */
  const field = (name, more = {}) => html`<label>${t(`schedules.field.${name}`)}<input required ...${more} value=${draft[name]} onInput=${(/** @type {any} */ event) => change({ ...draft, [name]: event.target.value })} /></label>`;
  /** @param {string} name @param {string[]} values */
  const choice = (name, values) => html`<label>${t(`schedules.field.${name}`)}<select value=${draft[name]} onChange=${(/** @type {any} */ event) => change({ ...draft, [name]: event.target.value })}>${values.map((each) => html`<option key=${each} value=${each}>${t(`schedules.${name}.${each}`)}</option>`)}</select></label>`;
  return html`<div class="split"><div class="form">
      ${field("cron")}${field("time_zone", { list: "zones" })}<datalist id="zones">${ZONES.map((zone) => html`<option key=${zone} value=${zone}></option>`)}</datalist>
      ${choice("missed", ["skip", "once", "all"])}${choice("overlap", ["allow", "skip"])}
      <label>${t("schedules.field.jitter")}<input type="number" min="0" max="86400" step="any" required value=${draft.jitter} onInput=${(/** @type {any} */ event) => change({ ...draft, jitter: Number(event.target.value) })} /></label>
      <label class="inline"><input type="checkbox" checked=${draft.conditional} onChange=${(/** @type {any} */ event) => change({ ...draft, conditional: event.target.checked })} />${t("schedules.field.conditional")}</label>
    </div><${Preview} cron=${draft.cron} zone=${draft.time_zone} /></div>
    <label>${t("schedules.field.task")}<textarea rows="8" spellcheck=${false} value=${task} onInput=${(/** @type {any} */ event) => setTask(event.target.value)}></textarea></label>`;
}
