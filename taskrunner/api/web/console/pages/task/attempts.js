// The attempts of a task: a row for each, and of the chosen one the request, the answer and where the time went.
import { changeQuery, place } from "../../app.js";
import { send, useAsk, useCell } from "../../lib/api.js";
import { Answer, attempt as tryTo, Button, Card, copyText, duration, Empty, Facts, named, Scroll, size, t, Time } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";

/** Where the time of an attempt went. @param {{phases: any[]}} props */
function Waterfall({ phases }) {
  if (!phases.length) return html`<p class="soft">${t("attempt.no_times")}</p>`;
  const total = phases[phases.length - 1].end || 1;
  return html`<table class="waterfall"><tbody>${phases.map((each) => html`<tr key=${each.phase}><th scope="row">${t(`phase.${each.phase}`)}</th>
    <td class="number">${duration(each.end - each.start)}</td>
    <td><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class=${`phase-${each.phase}`} x=${(each.start / total) * 100} width=${Math.max(0.6, ((each.end - each.start) / total) * 100)} y="0" height="6"></rect></svg></td></tr>`)}</tbody></table>`;
}

/** @param {{headers: {name: string, value: string}[]}} props */
const Headers = ({ headers }) => (headers.length ? html`<dl class="facts mono">${headers.map((each, index) => html`<div key=${index}><dt>${each.name}</dt><dd>${each.value}</dd></div>`)}</dl>` : html`<p class="soft">${t("attempt.no_headers")}</p>`);

/** @param {string} text @param {string} name @param {string} type */
function download(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** @param {{path: string, number: number, id: string}} props */
function Detail({ path, number, id }) {
  const asked = useAsk(`${path}/attempts/${number}`);
  const copyCurl = () => tryTo(async () => copyText(await (await send(`${path}/attempts/${number}?format=curl`, { accept: "*/*" })).text()), t("attempt.curl.copied"));
  const saveHar = () => tryTo(async () => download(await (await send(`${path}/attempts/${number}?format=har`, { accept: "*/*" })).text(), `${id}-${number}.har`, "application/json"), t("attempt.har.saved"));
  return html`<${Answer} asked=${asked} lines=${6}>${(/** @type {any} */ { request, response, waterfall, address, hops, consumer }) => html`
    <${Card} title=${t("step.attempt", { number })} actions=${request && html`<span class="actions"><${Button} onClick=${copyCurl}>${t("attempt.curl")}</${Button}><${Button} onClick=${saveHar}>${t("attempt.har")}</${Button}></span>`}>
      <${Facts} rows=${[[t("task.address"), address && html`<code>${address}</code>`], [t("overview.consumer"), consumer], [t("attempt.hops"), hops.length ? html`<ol>${hops.map((/** @type {any} */ hop, /** @type {number} */ index) => html`<li key=${index}><code>${hop.method} ${hop.url}</code> ${hop.status_code ?? "–"}</li>`)}</ol>` : ""]]} />
      <${Waterfall} phases=${waterfall} /></${Card}>
    <div class="split">
      <${Card} title=${t("attempt.request")}>${request ? html`<p><code>${request.method} ${request.url}</code></p><p class="soft">${t("attempt.body", { size: size(request.body_size) })} ${request.signed_by && t("attempt.signed", { secret: request.signed_by })}</p><${Headers} headers=${request.headers} />` : html`<p class="soft">${t("attempt.no_request")}</p>`}</${Card}>
      <${Card} title=${t("attempt.response")}>${response ? html`<p><strong>${response.status_code}</strong> <span class="soft">${[response.http_version && `HTTP/${response.http_version}`, response.content_type, size(response.size)].filter(Boolean).join(" · ")}</span></p><${Headers} headers=${response.headers} />` : html`<p class="soft">${t("attempt.no_response")}</p>`}</${Card}>
    </div>`}</${Answer}>`;
}

/** @param {{task: any, path: string}} props */
export default function Attempts({ task, path }) {
  const { query } = useCell(place);
  const { attempts } = task;
  if (!attempts.length) return html`<${Empty} title=${t("attempt.none")} />`;
  const chosen = Number(query.get("attempt")) || attempts[attempts.length - 1].number;
  const ended = attempts.find((/** @type {any} */ each) => each.number === chosen)?.finished_at;
  return html`<${Scroll} label=${t("task.attempts")}><table><thead><tr><th>${t("task.attempt")}</th><th>${t("task.started")}</th><th>${t("task.took")}</th><th>${t("task.outcome")}</th><th>${t("task.answer")}</th><th>${t("overview.consumer")}</th></tr></thead>
    <tbody>${attempts.map((/** @type {any} */ each) => html`<tr key=${each.number} aria-selected=${String(each.number === chosen)}><td><button type="button" class="link" aria-pressed=${String(each.number === chosen)} onClick=${() => changeQuery({ attempt: each.number })}>${t("step.attempt", { number: each.number })}</button></td><td><${Time} at=${each.started_at} /></td>
      <td>${each.finished_at ? duration((Date.parse(each.finished_at) - Date.parse(each.started_at)) / 1000) : t("task.runs")}</td>
      <td>${named("outcome", each.outcome)}${each.counted ? "" : html` <span class="badge">${t("step.uncounted")}</span>`}</td><td>${each.error ?? each.status_code}</td><td>${each.consumer}</td></tr>`)}</tbody></table></${Scroll}>
    <${Detail} key=${`${chosen}${ended}`} path=${path} number=${chosen} id=${task.id} />`;
}
