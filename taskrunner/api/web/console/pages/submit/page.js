// The page that submits a task: its JSON, what a dry run says of it, and the same as curl and in Python.
import { address, changeQuery, go, Lazy, place } from "../../app.js";
import { ask, useCell } from "../../lib/api.js";
import { attempt, Button, Card, Choice, Copy, duration, Facts, Failure, Head, Loading, t, Time } from "../../lib/ui.js";
import { html, useEffect, useRef, useState } from "../../vendor/view.js";

const EXAMPLE = JSON.stringify({ url: "https://example.com/hook", method: "POST", headers: { "Content-Type": "application/json" }, body: { hello: "world" }, max_attempts: 5 }, null, 2);
const KEPT = "taskrunner.draft";
// Milliseconds without a key, before a dry run.
const PAUSE = 400;

/** For a shell: in single quotes. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const base = () => new URL(".", location.href).href;

/** @param {string} text */
const curl = (text) => `curl -sS ${base()}tasks -H 'Authorization: Bearer '"$TASKRUNNER_API_KEY" -H 'Content-Type: application/json' --data-binary ${quoted(text)}`;
/** @param {string} text */
const python = (text) => `import os\n\nimport requests\n\ntask = ${JSON.stringify(text)}\nanswer = requests.post(\n    "${base()}tasks",\n    data=task.encode(),\n    headers={"Authorization": f"Bearer {os.environ['TASKRUNNER_API_KEY']}", "Content-Type": "application/json"},\n    timeout=10,\n)\nanswer.raise_for_status()\nprint(answer.json()["id"])`;

/** What would be done. @param {{result: any}} props */
function Result({ result }) {
  const { task, attempts, target } = result;
  return html`<${Facts} rows=${[
    [t("submit.target"), target && `${target.state}: ${target.host}${target.addresses?.length ? ` (${target.addresses.map((/** @type {any} */ each) => `${each.address}${each.refusal ? `, ${each.refusal}` : ""}`).join("; ")})` : ""}`],
    [t("column.queue"), task.queue],
    [t("submit.timeout"), duration(task.timeout)],
    [t("submit.attempts"), html`<ol>${attempts.map((/** @type {any} */ each) => html`<li key=${each.number}>${each.number === 1 ? (Date.parse(each.earliest) - Date.now() < 2000 ? t("submit.at_once") : html`<${Time} at=${each.earliest} />`) : t("submit.delay", { least: duration(each.delay_min), most: duration(each.delay_max) })}</li>`)}</ol>`],
  ]} />`;
}

/** @param {{text: string, change: (text: string) => void}} props */
function Draft({ text, change }) {
  const { query } = useCell(place);
  const as = query.get("as") === "form" ? "form" : "json";
  return html`<${Card} title=${t("submit.task")} actions=${html`<${Choice} name=${t("body.as")} value=${as} choices=${[["json", t("submit.as.json")], ["form", t("submit.as.form")]]} choose=${(/** @type {string} */ each) => changeQuery({ as: each })} />`}>
    ${as === "form" ? html`<${Lazy} name="submit/form" load=${() => import("./form.js")} text=${text} change=${change} />`
      : html`<textarea class="code" rows="18" spellcheck="false" aria-label=${t("submit.json")} value=${text} onInput=${(/** @type {any} */ event) => change(event.target.value)}></textarea>`}</${Card}>`;
}

export default function Submit() {
  const [text, setText] = useState(sessionStorage.getItem(KEPT) ?? EXAMPLE);
  const [dry, setDry] = useState(/** @type {{result: any, error: Error | null}} */ ({ result: null, error: null }));
  const isFirst = useRef(true);
  useEffect(() => {
    sessionStorage.setItem(KEPT, text);
    const leave = new AbortController();
    const timer = setTimeout(async () => {
      // The answer to an older text may come after that to this one.
      const told = await ask("tasks?dry_run=true", { method: "POST", text, signal: leave.signal }).then((result) => ({ result, error: null }), (error) => ({ result: null, error }));
      if (!leave.signal.aborted) setDry(told);
    }, isFirst.current ? 0 : PAUSE);
    isFirst.current = false;
    return () => {
      clearTimeout(timer);
      leave.abort();
    };
  }, [text]);
  const submit = () =>
    attempt(async () => {
      const task = await ask("tasks", { method: "POST", text });
      go(address(["tasks", task.id]));
    }, t("submit.done"));
  return html`<${Head} title=${t("page.submit")}><${Button} needs="submit" kind="primary" why=${dry.error ? dry.error.message : ""} onClick=${submit}>${t("submit.act")}</${Button}></${Head}>
    <div class="split"><${Draft} text=${text} change=${setText} />
      <${Card} title=${t("submit.dry")}>${dry.error ? html`<${Failure} error=${dry.error} />` : dry.result === null ? html`<${Loading} lines=${4} />` : html`<${Result} result=${dry.result} />`}</${Card}></div>
    <${Card} wide title="curl" actions=${html`<${Copy} text=${curl(text)} label="curl" />`}><pre class="tall">${curl(text)}</pre></${Card}>
    <${Card} wide title="Python" actions=${html`<${Copy} text=${python(text)} label="Python" />`}><pre class="tall">${python(text)}</pre></${Card}>`;
}
