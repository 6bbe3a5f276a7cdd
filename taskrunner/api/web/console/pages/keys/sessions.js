// The sessions of browsers that a key has opened; each can be ended.
import { ask, useAsk } from "../../lib/api.js";
import { Answer, attempt, Button, Empty, Scroll, t, Time } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";

export default function Sessions() {
  const sessions = useAsk("sessions", { every: 10 });
  /** @param {any} session */
  const end = (session) => attempt(() => ask(`sessions/${session.id}`, { method: "DELETE" }), t("sessions.ended")).then(sessions.reload);
  return html`<${Answer} asked=${sessions}>${(/** @type {any} */ { sessions: found }) => found.length
    ? html`<${Scroll} label=${t("keys.tab.sessions")}><table><thead><tr><th>${t("audit.key")}</th><th>${t("column.created")}</th><th>${t("sessions.until")}</th><th>${t("queues.actions")}</th></tr></thead>
        <tbody>${found.map((/** @type {any} */ each) => html`<tr key=${each.id}><th scope="row">${each.key}${each.current ? html` <span class="badge info">${t("sessions.current")}</span>` : null}</th>
          <td><${Time} at=${each.created_at} /></td><td><${Time} at=${each.expires_at} /></td>
          <td><${Button} kind="danger" onClick=${() => end(each)}>${t("sessions.end")}</${Button}></td></tr>`)}</tbody></table></${Scroll}>`
    : html`<${Empty} title=${t("sessions.none")}><p class="soft">${t("sessions.none.next")}</p></${Empty}>`}</${Answer}>`;
}
