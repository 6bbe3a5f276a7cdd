// The page of executors: what each runs, enable and disable, create and change, delete, and submit a test task.
import { address, Lazy } from "../../app.js";
import { ask, useAsk } from "../../lib/api.js";
import { Answer, attempt, Button, Empty, Head, Scroll, t, Time } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

/** @param {{executor: any, changed: () => void, open: (dialog: any) => void}} props */
function Row({ executor, changed, open }) {
  const { name, enabled } = executor;
  const turn = () => attempt(() => ask(`executors/${name}`, { method: "PATCH", body: { enabled: !enabled } }), t(enabled ? "executors.disabled" : "executors.enabled", { name })).then(changed);
  return html`<tr><th scope="row"><a href=${address(["tasks"], { executor: name })}>${name}</a></th><td>${executor.kind}</td><td>${executor.url ? `${executor.method} ${executor.url}` : (executor.description ?? "–")}</td>
    <td>${enabled ? html`<span class="badge good">${t("executors.on")}</span>` : html`<span class="badge warn">${t("executors.off")}</span>`}</td>
    <td>${t(`executors.by.${executor.managed_by}`)}, ${t("executors.version", { version: executor.version })} <span class="soft"><${Time} at=${executor.updated_at} /></span></td>
    <td><div class="bar"><${Button} needs="submit" onClick=${() => open({ kind: "try", executor })}>${t("executors.try")}</${Button}>
      <${Button} needs="operate read:all" onClick=${turn}>${t(enabled ? "executors.disable" : "executors.enable")}</${Button}>
      <${Button} needs="operate read:all" onClick=${() => open({ kind: "edit", executor })}>${t("action.edit")}</${Button}>
      <${Button} needs="operate read:all" kind="danger" onClick=${() => open({ kind: "delete", executor })}>${t("bulk.delete")}</${Button}></div></td></tr>`;
}

export default function Executors() {
  const executors = useAsk("executors", { every: 5 });
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  return html`<${Head} title=${t("page.executors")}><${Button} needs="operate read:all" kind="primary" onClick=${() => setDialog({ kind: "edit", executor: null })}>${t("executors.create")}</${Button}></${Head}>
    <${Answer} asked=${executors}>${(/** @type {any} */ { executors: found }) => found.length
      ? html`<${Scroll} label=${t("page.executors")}><table><thead><tr><th>${t("keys.name")}</th><th>${t("executors.kind")}</th><th>${t("executors.runs")}</th><th>${t("overview.state")}</th><th>${t("executors.changed")}</th><th>${t("queues.actions")}</th></tr></thead>
          <tbody>${found.map((/** @type {any} */ each) => html`<${Row} key=${each.name} executor=${each} changed=${executors.reload} open=${setDialog} />`)}</tbody></table></${Scroll}>`
      : html`<${Empty} title=${t("executors.none")}><p class="soft">${t("executors.none.next")}</p></${Empty}>`}</${Answer}>
    ${dialog?.kind === "try" && html`<${Lazy} name="executors/try" load=${() => import("./try.js")} executor=${dialog.executor} close=${() => setDialog(null)} />`}
    ${dialog && dialog.kind !== "try" && html`<${Lazy} name="executors/dialog" load=${() => import("./dialog.js")} ...${dialog} close=${() => (setDialog(null), executors.reload())} />`}`;
}
