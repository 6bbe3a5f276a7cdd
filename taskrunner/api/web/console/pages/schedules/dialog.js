// The dialogs of schedules: create or change one, and delete one.
import { ask, askTagged } from "../../lib/api.js";
import { Confirm, Dialog } from "../../lib/dialog.js";
import { Failure, Loading, t, toast } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";

/** @param {{kind: "edit" | "delete", schedule: string, close: () => void}} props `schedule` is empty for a new one */
export default function ScheduleDialog({ kind, schedule, close }) {
  if (kind === "edit") return html`<${Edit} schedule=${schedule} close=${close} />`;
  const act = async () => {
    await ask(`schedules/${encodeURIComponent(schedule)}`, { method: "DELETE" });
    toast(t("schedules.deleted", { name: schedule }));
  };
  return html`<${Confirm} title=${t("schedules.delete", { name: schedule })} words=${schedule} action=${t("bulk.delete")} act=${act} close=${close}><p>${t("schedules.delete.what")}</p></${Confirm}>`;
}

const ZONES = ["UTC", Intl.DateTimeFormat().resolvedOptions().timeZone];

/** @param {{schedule: string, close: () => void}} props */
function Edit({ schedule, close }) {
  const [known, setKnown] = useState(/** @type {{value: any, etag: string | null} | null} */ (schedule ? null : { value: {}, etag: null }));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [typed, setTyped] = useState({ name: "", cron: "0 3 * * *", time_zone: ZONES[1], url: "" });
  useEffect(() => {
    if (!schedule) return;
    askTagged(`schedules/${encodeURIComponent(schedule)}`).then((found) => {
      setKnown(found);
      setTyped({ name: schedule, cron: found.value.cron, time_zone: found.value.time_zone, url: found.value.task.url ?? "" });
    }, setError);
  }, [schedule]);
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const { name, cron, time_zone, url } = typed;
    try {
      if (schedule) await ask(`schedules/${encodeURIComponent(schedule)}`, { method: "PATCH", etag: known?.etag, body: { cron, time_zone, ...(url ? { task: { url } } : {}) } });
      else await ask("schedules", { method: "POST", body: { name, cron, time_zone, task: { url } } });
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
      return;
    }
    toast(t("schedules.saved", { name }));
    close();
  };
  /** @param {keyof typeof typed} name @param {any} [more] */
  const field = (name, more = {}) => html`<label>${t(`schedules.field.${name}`)}<input required ...${more} value=${typed[name]} onInput=${(/** @type {any} */ event) => setTyped({ ...typed, [name]: event.target.value })} /></label>`;
  return html`<${Dialog} title=${schedule ? t("schedules.edit", { name: schedule }) : t("schedules.create")} close=${close}>${known === null && !error ? html`<${Loading} lines=${4} />` : html`<form class="form" onSubmit=${save}>
    ${!schedule && field("name", { autofocus: true })}${field("cron")}${field("time_zone", { list: "zones" })}<datalist id="zones">${ZONES.map((zone) => html`<option key=${zone} value=${zone}></option>`)}</datalist>
    ${(!schedule || known?.value.task?.url) && field("url", { type: "url" })}
    <p class="soft">${t("schedules.what")}</p>${error && html`<${Failure} error=${error} />`}
    <div class="actions"><button type="button" onClick=${close}>${t("action.cancel")}</button><button class="primary">${t("action.save")}</button></div></form>`}</${Dialog}>`;
}
