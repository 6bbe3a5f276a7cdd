// Run a task again with changes: the fields of a new task, as JSON, and where the new one is.
import { address, go } from "../../app.js";
import { ask } from "../../lib/api.js";
import { Dialog } from "../../lib/dialog.js";
import { Failure, t, toast } from "../../lib/ui.js";
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
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  // A secret is shown as ***, which would be sent as its value.
  const masked = text.includes("***");
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    if (masked) return;
    try {
      const made = await ask("tasks", { method: "POST", text });
      toast(t("task.again.done"));
      close();
      go(address(["tasks", made.id]));
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  };
  return html`<${Dialog} title=${t("task.again")} close=${close} wide><form class="form" onSubmit=${submit}>
    ${task.body_size > 0 && html`<p class="banner warn">${t("task.again.body")}</p>`}
    <label>${t("task.again.fields")}<textarea rows="16" spellcheck=${false} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea></label>
    ${masked && html`<p class="banner warn" role="alert">${t("task.again.masked")}</p>`}
    <p class="soft">${t("task.again.left_out")}</p>
    ${error && html`<${Failure} error=${error} />`}
    <div class="actions"><button type="button" onClick=${close}>${t("action.cancel")}</button><button class="primary" disabled=${masked}>${t("task.again.submit")}</button></div>
  </form></${Dialog}>`;
}
