// The dialog that chooses the columns of the table of tasks.
import { Dialog } from "../../lib/dialog.js";
import { t } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";
import { COLUMNS } from "./page.js";

/** @param {{columns: string[], choose: (columns: string[]) => void, close: () => void}} props */
export default function Columns({ columns, choose, close }) {
  /** @param {string} name */
  const toggle = (name) => choose(columns.includes(name) ? columns.filter((each) => each !== name) : [...columns, name]);
  return html`<${Dialog} title=${t("tasks.columns")} close=${close}><div class="form">${COLUMNS.map(
    (name) => html`<label class="inline" key=${name}><input type="checkbox" checked=${columns.includes(name)} disabled=${name === "task"} onChange=${() => toggle(name)} /> ${t(`column.${name}`)}</label>`,
  )}</div></${Dialog}>`;
}
