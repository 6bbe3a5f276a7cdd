// The audit: who did what to how many, when, and from where.
import { changeQuery, place } from "../../app.js";
import { ask, useAsk, useCell, withQuery } from "../../lib/api.js";
import { Answer, attempt, Button, Empty, number, Scroll, t, Time } from "../../lib/ui.js";
import { html, useEffect, useState } from "../../vendor/view.js";

const PAGE = 50;

export default function Audit() {
  const { query } = useCell(place);
  const filter = { key: query.get("key"), action: query.get("action") };
  const path = withQuery("audit", { ...filter, limit: PAGE });
  const first = useAsk(path);
  const [more, setMore] = useState({ path: "", entries: /** @type {any[]} */ ([]), cursor: "" });
  useEffect(() => setMore({ path, entries: [], cursor: first.value?.next_cursor ?? "" }), [path, first.value]);
  const load = () =>
    attempt(async () => {
      const page = await ask(withQuery(path, {}) + `&cursor=${encodeURIComponent(more.cursor)}`);
      setMore({ path, entries: [...more.entries, ...page.entries], cursor: page.next_cursor ?? "" });
    }, t("audit.more.done"));
  /** @param {string} name @param {string} value */
  const narrow = (name, value) => html`<button type="button" class="link" title=${t("audit.narrow")} onClick=${() => changeQuery({ [name]: value })}>${value}</button>`;
  return html`<div class="bar">${Object.entries(filter).filter(([, value]) => value).map(([name, value]) => html`<button type="button" class="chip" key=${name} onClick=${() => changeQuery({ [name]: "" })}>${t(`audit.${name}`)}: ${value} ✕</button>`)}</div>
    <${Answer} asked=${first}>${(/** @type {any} */ { entries }) => entries.length
      ? html`<${Scroll} label=${t("keys.tab.audit")}><table><thead><tr><th>${t("audit.at")}</th><th>${t("audit.key")}</th><th>${t("audit.action")}</th><th>${t("audit.target")}</th><th class="number">${t("audit.count")}</th><th>${t("audit.origin")}</th></tr></thead>
          <tbody>${[...entries, ...more.entries].map((each) => html`<tr key=${each.id}><td><${Time} at=${each.at} /></td><td>${each.key ? narrow("key", each.key) : "–"}</td><td>${narrow("action", each.action)}</td>
            <td>${each.target ?? "–"}</td><td class="number">${number(each.count)}</td><td>${each.source} ${each.origin ?? ""}</td></tr>`)}</tbody></table></${Scroll}>
          ${more.cursor && html`<${Button} onClick=${load}>${t("audit.more")}</${Button}>`}`
      : html`<${Empty} title=${t("audit.none")}><p class="soft">${t("audit.none.next")}</p></${Empty}>`}</${Answer}>`;
}
