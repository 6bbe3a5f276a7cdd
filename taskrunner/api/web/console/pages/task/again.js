// Run a task again with changes: the fields of a new task, as JSON, and where the new one is.
import { address, go } from "../../app.js";
import { ask } from "../../lib/api.js";
import { FormDialog } from "../../lib/dialog.js";
import { t, toast } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

/** The fields that make a task like this one. Masked headers and the body are not known here. @param {any} task */
export function draftOf(task) {
  const { url, method, executor, data, queue, timeout, max_attempts, labels, headers, retry, retry_on, fail_on, rules, redirects } = task;
  const shown = Object.fromEntries(Object.entries(headers).filter(([, value]) => !/\*{3}/.test(String(value))));
  const of = executor ? { executor, ...(data === null ? {} : { data }) } : { url, method };
  return { ...of, queue, timeout, max_attempts, labels, retry, retry_on, fail_on, rules, redirects, ...(Object.keys(shown).length ? { headers: shown } : {}) };
}

/** @param {{task: any, close: () => void}} props */
export default function Again({ task, close }) {
  const [text, setText] = useState(JSON.stringify(draftOf(task), null, 2));
  // A secret is shown as ***, which would be sent as its value.
  const masked = text.includes("***");
  const send = async () => {
    const made = await ask("tasks", { method: "POST", text });
    toast(t("task.again.done"));
    go(address(["tasks", made.id]));
  };
  return html`<${FormDialog} title=${t("task.again")} action=${t("submit.act")} send=${send} close=${close} disabled=${masked} wide>
    ${task.body_size > 0 && html`<p class="banner warn">${t("task.again.body")}</p>`}
    <label>${t("task.again.fields")}<textarea rows="16" spellcheck=${false} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea></label>
    ${masked && html`<p class="banner warn" role="alert">${t("task.again.masked")}</p>`}
    <p class="soft">${t("task.again.left_out")}</p>
  </${FormDialog}>`;
}
