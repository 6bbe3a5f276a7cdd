// The page of API keys, and under its tabs the sessions of browsers and the audit.
import { changeQuery, Lazy, place } from "../../app.js";
import { useAsk, useCell } from "../../lib/api.js";
import { Answer, Button, Empty, Head, Scroll, size, t, Time } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const TABS = ["keys", "sessions", "audit"];

/** @param {any} key */
function state(key) {
  if (key.revoked_at) return html`<span class="badge bad">${t("keys.revoked")}</span> <${Time} at=${key.revoked_at} />`;
  if (key.expires_at && Date.parse(key.expires_at) <= Date.now()) return html`<span class="badge warn">${t("keys.expired")}</span> <${Time} at=${key.expires_at} />`;
  if (key.previous_until && Date.parse(key.previous_until) > Date.now()) return html`<span class="badge info">${t("keys.rotating")}</span> <${Time} at=${key.previous_until} />`;
  return html`<span class="badge good">${t("keys.good")}</span>${key.expires_at && html` ${t("keys.until")} <${Time} at=${key.expires_at} />`}`;
}

/** @param {any} key */
const limits = (key) =>
  [
    key.rate && t("keys.limit.rate", { rate: key.rate, burst: key.burst ?? "–" }),
    key.max_live_tasks && t("keys.limit.live", { live: key.live_tasks ?? 0, most: key.max_live_tasks }),
    key.max_stored_bytes && t("keys.limit.stored", { stored: size(key.stored_bytes ?? 0), most: size(key.max_stored_bytes) }),
  ].filter(Boolean).join(", ") || t("keys.limit.none");

/** @param {{value: any, open: (dialog: any) => void}} props `value` is the API key */
function Row({ value, open }) {
  const configured = value.created_at === null ? t("keys.configured") : "";
  const why = value.revoked_at ? t("keys.revoked") : configured;
  return html`<tr><th scope="row">${value.name} <code>${value.hint}…</code></th><td>${value.scopes.map((/** @type {string} */ scope) => html`<span class="label">${scope}</span> `)}</td>
    <td>${value.owner ?? "–"}</td><td>${state(value)}</td><td>${limits(value)}</td><td><${Time} at=${value.last_used_at} /></td>
    <td><div class="bar"><${Button} needs="admin" why=${why} onClick=${() => open({ kind: "limits", value })}>${t("keys.limits")}</${Button}>
      <${Button} needs="admin" why=${why} onClick=${() => open({ kind: "rotate", value })}>${t("keys.rotate")}</${Button}>
      <${Button} needs="admin" kind="danger" why=${why} onClick=${() => open({ kind: "revoke", value })}>${t("keys.revoke")}</${Button}></div></td></tr>`;
}

function Keys() {
  const keys = useAsk("keys", { every: 10 });
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  return html`<div class="bar"><${Button} needs="admin" kind="primary" onClick=${() => setDialog({ kind: "create" })}>${t("keys.create")}</${Button}></div>
    <${Answer} asked=${keys}>${(/** @type {any} */ { keys: found }) => found.length
      ? html`<${Scroll} label=${t("page.keys")}><table><thead><tr><th>${t("keys.name")}</th><th>${t("keys.scopes")}</th><th>${t("keys.owner")}</th><th>${t("overview.state")}</th><th>${t("keys.limits")}</th><th>${t("keys.used")}</th><th>${t("queues.actions")}</th></tr></thead>
          <tbody>${found.map((/** @type {any} */ each) => html`<${Row} key=${each.name} value=${each} open=${setDialog} />`)}</tbody></table></${Scroll}>`
      : html`<${Empty} title=${t("keys.none")}><p class="soft">${t("keys.none.next")}</p></${Empty}>`}</${Answer}>
    ${dialog && html`<${Lazy} name="keys/dialog" load=${() => import("./dialog.js")} ...${dialog} close=${() => (setDialog(null), keys.reload())} />`}`;
}

export default function KeysPage() {
  const { query } = useCell(place);
  const tab = TABS.includes(query.get("tab") ?? "") ? query.get("tab") : "keys";
  return html`<${Head} title=${t("page.keys")} />
    <div class="tabs" role="group" aria-label=${t("page.keys")}>${TABS.map((each) => html`<button type="button" key=${each} aria-pressed=${String(each === tab)} onClick=${() => changeQuery({ tab: each })}>${t(`keys.tab.${each}`)}</button>`)}</div>
    ${tab === "keys" ? html`<${Keys} />` : tab === "audit" ? html`<${Lazy} name="keys/audit" load=${() => import("./audit.js")} />` : html`<${Lazy} name="keys/sessions" load=${() => import("./sessions.js")} />`}`;
}

