// The page of hosts: those in trouble or with a limit; reset one, and change the limits.
import { address, Lazy } from "../../app.js";
import { ask, useAsk } from "../../lib/api.js";
import { Answer, attempt, Button, Card, conditionOfHost, duration, Empty, Head, named, number, Scroll, t, Time } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

/** @param {any} limit */
const told = (limit) => (limit ? [limit.concurrency && t("hosts.concurrency.at", { count: limit.concurrency }), limit.rate && t("hosts.rate.at", { rate: limit.rate }), limit.burst && t("hosts.burst.at", { burst: limit.burst })].filter(Boolean).join(", ") : "–");

/** @param {{hosts: any[], changed: () => void, open: (dialog: any) => void}} props */
function Hosts({ hosts, changed, open }) {
  if (!hosts.length) return html`<${Empty} title=${t("hosts.none")}><p class="soft">${t("hosts.none.next")}</p></${Empty}>`;
  /** @param {string} host */
  const reset = (host) => attempt(() => ask(`hosts/${encodeURIComponent(host)}/reset`, { method: "POST" }), t("hosts.reset.done", { host })).then(changed);
  return html`<${Scroll} label=${t("page.hosts")}><table><thead><tr><th>${t("workers.host")}</th><th>${t("overview.state")}</th><th>${t("hosts.until")}</th><th class="number">${t("hosts.in_flight")}</th><th class="number">${t("hosts.time")}</th><th class="number">${t("hosts.pace")}</th><th>${t("keys.limits")}</th><th>${t("queues.actions")}</th></tr></thead>
    <tbody>${hosts.map((each) => html`<tr key=${each.host}><th scope="row"><a href=${address(["tasks"], conditionOfHost(each.host))}>${each.host}</a></th>
      <td><span class=${`badge ${each.state === "ok" ? "good" : "warn"}`}>${named("host", each.state)}</span></td><td><${Time} at=${each.until ?? each.waiting_until} /></td>
      <td class="number">${number(each.in_flight)}</td><td class="number">${duration(each.attempt_time)}</td><td class="number">${each.pace === null ? "–" : duration(each.pace)}</td><td title=${each.pattern}>${told(each.limit)}</td>
      <td><div class="bar"><${Button} needs="operate read:all" why=${each.state === "ok" && !each.until ? t("hosts.well") : ""} onClick=${() => reset(each.host)}>${t("hosts.reset")}</${Button}>
        <${Button} needs="operate read:all" why=${each.host.startsWith("executor:") ? t("hosts.of_executor") : ""} onClick=${() => open({ kind: each.pattern === each.host ? "edit" : "new", pattern: each.host })}>${t("hosts.limit")}</${Button}></div></td></tr>`)}</tbody></table></${Scroll}>`;
}

export default function HostsPage() {
  const hosts = useAsk("hosts?limit=200", { every: 3 });
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  return html`<${Head} title=${t("page.hosts")}><${Button} needs="operate read:all" kind="primary" onClick=${() => setDialog({ kind: "new", pattern: "" })}>${t("hosts.limit.set")}</${Button}></${Head}>
    <${Answer} asked=${hosts}>${(/** @type {any} */ { hosts: found, limits }) => html`<${Hosts} hosts=${found} changed=${hosts.reload} open=${setDialog} />
      ${limits.length > 0 && html`<${Card} wide title=${t("hosts.limits")}><${Scroll} label=${t("hosts.limits")}><table><thead><tr><th>${t("hosts.pattern")}</th><th>${t("keys.limits")}</th><th>${t("hosts.source")}</th><th>${t("queues.actions")}</th></tr></thead>
        <tbody>${limits.map((/** @type {any} */ limit) => html`<tr key=${limit.pattern}><th scope="row">${limit.pattern}</th><td>${told(limit)}</td><td>${t(`hosts.source.${limit.source}`)}</td>
          <td><div class="bar"><${Button} needs="operate read:all" onClick=${() => setDialog({ kind: "edit", pattern: limit.pattern })}>${t("action.edit")}</${Button}>
            <${Button} needs="operate read:all" kind="danger" why=${limit.source === "config" ? t("hosts.configured") : ""} onClick=${() => setDialog({ kind: "delete", pattern: limit.pattern })}>${t("bulk.delete")}</${Button}></div></td></tr>`)}</tbody></table></${Scroll}></${Card}>`}`}</${Answer}>
    ${dialog && html`<${Lazy} name="hosts/limit" load=${() => import("./limit.js")} ...${dialog} close=${() => (setDialog(null), hosts.reload())} />`}`;
}
