// A test task of an executor: a form made from the schema of its data, or the data as JSON.
import { address, go } from "../../app.js";
import { ask } from "../../lib/api.js";
import { FormDialog } from "../../lib/dialog.js";
import { t } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const SIMPLE = ["string", "integer", "number", "boolean"];

/** The fields of a schema whose members are all plain; null for any other. @param {any} schema @returns {[string, any][] | null} */
function fieldsOf(schema) {
  const members = Object.entries(schema?.properties ?? {});
  const isPlain = members.length && members.every(([, member]) => Array.isArray(member.enum) || SIMPLE.includes(member.type));
  return schema?.type === "object" && isPlain ? members : null;
}

/** @param {any} member @param {string} text */
function value(member, text) {
  if (member.type === "boolean") return text === "true";
  return member.type === "integer" || member.type === "number" ? Number(text) : text;
}

/** @param {{executor: any, close: () => void}} props */
export default function Try({ executor, close }) {
  const fields = fieldsOf(executor.schema);
  const [typed, setTyped] = useState(/** @type {Record<string, string>} */ ({}));
  const [text, setText] = useState("{}");
  const required = executor.schema?.required ?? [];
  const send = async () => {
    const filled = (fields ?? []).filter(([name]) => (typed[name] ?? "") !== "");
    const data = fields ? JSON.stringify(Object.fromEntries(filled.map(([name, member]) => [name, value(member, typed[name])]))) : text;
    const task = await ask("tasks", { method: "POST", text: `{"executor": ${JSON.stringify(executor.name)}, "data": ${data}}` });
    go(address(["tasks", task.id]));
  };
  /** @param {string} name */
  const change = (name) => (/** @type {any} */ event) => setTyped({ ...typed, [name]: event.target.value });
  /** @param {[string, any]} field */
  const input = ([name, member]) => {
    const choices = member.enum ?? (member.type === "boolean" ? ["true", "false"] : null);
    if (choices) return html`<select value=${typed[name] ?? ""} required=${required.includes(name)} onChange=${change(name)}><option value=""></option>${choices.map((/** @type {any} */ each) => html`<option key=${each} value=${each}>${String(each)}</option>`)}</select>`;
    return html`<input value=${typed[name] ?? ""} required=${required.includes(name)} type=${member.type === "string" ? "text" : "number"} step=${member.type === "number" ? "any" : undefined} onInput=${change(name)} />`;
  };
  return html`<${FormDialog} title=${t("executors.try.title", { name: executor.name })} action=${t("submit.act")} send=${send} close=${close}>
    ${fields ? fields.map((field) => html`<label key=${field[0]}>${field[0]}${required.includes(field[0]) ? " *" : ""}${field[1].description && html` <span class="soft">${field[1].description}</span>`}${input(field)}</label>`)
      : html`<label>${t("executors.data")}<textarea rows="8" spellcheck="false" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea></label>`}
  </${FormDialog}>`;
}
