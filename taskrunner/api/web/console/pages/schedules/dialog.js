// The dialogs of schedules: create or change one with a look at its next runs, and delete one.
import { ask, Problem, send, withQuery } from "../../lib/api.js";
import { Confirm, Dialog } from "../../lib/dialog.js";
import { differences, parsed, patched } from "../../lib/merge_patch.js";
import { Failure, Loading, t, toast } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";
import { READERS_ZONE, Runs } from "./runs.js";

/** @param {{kind: "edit" | "delete", schedule: string, close: () => void}} props `schedule` is empty for a new one */
export default function ScheduleDialog({ kind, schedule, close }) {
  if (kind === "edit") return html`<${Edit} schedule=${schedule} close=${close} />`;
  const act = async () => {
    await ask(`schedules/${encodeURIComponent(schedule)}`, { method: "DELETE" });
    toast(t("schedules.deleted", { name: schedule }));
  };
  return html`<${Confirm} title=${t("schedules.delete", { name: schedule })} words=${schedule} action=${t("bulk.delete")} act=${act} close=${close}><p>${t("schedules.delete.what")}</p></${Confirm}>`;
}

const RUNS_SHOWN = 10;
// Milliseconds without a key, before the next runs are asked for.
const PAUSE = 250;
const FIELDS = ["cron", "time_zone", "missed", "overlap", "jitter", "conditional", "task"];
/** @type {Record<string, any>} */
const NEW = { cron: "0 3 * * *", time_zone: READERS_ZONE, missed: "once", overlap: "allow", jitter: 0, conditional: false, task: { url: "https://" } };
const ZONES = ["UTC", ...Intl.supportedValuesOf("timeZone")];

/** What can be edited of an answer; numbers stay as they are written. @param {Response} response */
async function editable(response) {
  const found = parsed(await response.text());
  const value = Object.fromEntries(FIELDS.map((name) => [name, found[name]]));
  // A number of seconds, whatever its digits are.
  value.jitter = Number(JSON.stringify(value.jitter));
  // The body is not shown, and stays as it is.
  delete value.task.has_body;
  return { value, etag: response.headers.get("ETag") };
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

/** Somebody else has changed it: take theirs, or put these changes on top. @param {{reload: () => void, keep: () => void}} props */
const Changed = ({ reload, keep }) => html`<div class="state bad" role="alert"><strong>${t("problem.changed")}</strong><p>${t("schedules.changed")}</p>
  <div class="actions"><button type="button" onClick=${reload}>${t("schedules.changed.reload")}</button><button type="button" onClick=${keep}>${t("schedules.changed.keep")}</button></div></div>`;

/** @param {{schedule: string, close: () => void}} props */
function Edit({ schedule, close }) {
  const path = `schedules/${encodeURIComponent(schedule)}`;
  const [known, setKnown] = useState(/** @type {{value: any, etag: string | null} | null} */ (null));
  const [typed, setTyped] = useState(/** @type {Record<string, any>} */ ({}));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  /** @param {{value: any, etag: string | null}} found @param {any} [patch] what was edited before */
  const begin = (found, patch = {}) => {
    const value = patched(found.value, patch);
    setKnown(found);
    setTyped({ ...value, name: schedule, task: JSON.stringify(value.task, null, 2) });
    setError(null);
  };
  /** @param {any} [patch] */
  const read = (patch) => send(path).then(editable).then((found) => begin(found, patch)).catch(setError);
  useEffect(() => void (schedule ? read() : begin({ value: NEW, etag: null })), [schedule]);
  /** What was edited. Raises `SyntaxError`. */
  const edited = () => {
    const { name, task, ...fields } = typed;
    const value = { ...fields, task: parsed(task) };
    return schedule ? differences(known?.value, value) : { name, ...value };
  };
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    try {
      const body = edited();
      if (!schedule) await ask("schedules", { method: "POST", body });
      else if (Object.keys(body).length) await ask(path, { method: "PATCH", etag: known?.etag, body });
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
      return;
    }
    toast(t("schedules.saved", { name: typed.name }));
    close();
  };
  if (!known) return html`<${Dialog} title=${t("schedules.edit", { name: schedule })} close=${close}>${error ? html`<${Failure} error=${error} />` : html`<${Loading} lines=${4} />`}</${Dialog}>`;
  const changed = error instanceof Problem && error.status === 412;
  return html`<${Dialog} wide title=${schedule ? t("schedules.edit", { name: schedule }) : t("schedules.create")} close=${close}><form class="form" onSubmit=${save}>
    <${Fields} typed=${typed} change=${(/** @type {any} */ changes) => setTyped({ ...typed, ...changes })} isNew=${!schedule} />
    ${changed ? html`<${Changed} reload=${() => read()} keep=${() => read(edited())} />` : error && html`<${Failure} error=${error} />`}
    <div class="actions"><button type="button" onClick=${close}>${t("action.cancel")}</button><button class="primary">${t("action.save")}</button></div></form></${Dialog}>`;
}

/** @param {{typed: Record<string, any>, change: (changes: Record<string, any>) => void, isNew: boolean}} props */
function Fields({ typed, change, isNew }) {
  /** @param {string} name @param {any} [more] */
  const field = (name, more = {}) => html`<label>${t(`schedules.field.${name}`)}<input required ...${more} value=${typed[name]} onInput=${(/** @type {any} */ event) => change({ [name]: event.target.value })} /></label>`;
  /** @param {string} name @param {string[]} values */
  const choice = (name, values) => html`<label>${t(`schedules.field.${name}`)}<select value=${typed[name]} onChange=${(/** @type {any} */ event) => change({ [name]: event.target.value })}>${values.map((each) => html`<option key=${each} value=${each}>${t(`schedules.${name}.${each}`)}</option>`)}</select></label>`;
  return html`<div class="split"><div class="form">
      ${isNew && field("name", { autofocus: true })}${field("cron")}${field("time_zone", { list: "zones" })}<datalist id="zones">${ZONES.map((zone) => html`<option key=${zone} value=${zone}></option>`)}</datalist>
      ${choice("missed", ["skip", "once", "all"])}${choice("overlap", ["allow", "skip"])}
      <label>${t("schedules.field.jitter")}<input type="number" min="0" max="86400" step="any" required value=${typed.jitter} onInput=${(/** @type {any} */ event) => change({ jitter: Number(event.target.value) })} /></label>
      <label class="inline"><input type="checkbox" checked=${typed.conditional} onChange=${(/** @type {any} */ event) => change({ conditional: event.target.checked })} />${t("schedules.field.conditional")}</label>
    </div><${Preview} cron=${typed.cron} zone=${typed.time_zone} /></div>
    <label>${t("schedules.field.task")}<textarea rows="8" spellcheck=${false} value=${typed.task} onInput=${(/** @type {any} */ event) => change({ task: event.target.value })}></textarea></label>
    ${!isNew && html`<p class="soft">${t("schedules.what")}</p>`}`;
}
