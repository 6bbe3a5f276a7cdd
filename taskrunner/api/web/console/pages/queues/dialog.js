// The dialogs of queues: declare one or change its weight, and delete one.
import { ask } from "../../lib/api.js";
import { Confirm, FormDialog } from "../../lib/dialog.js";
import { t, toast } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

/** @param {{kind: "edit" | "delete", queue: string, weight?: number, close: () => void}} props `queue` is empty for a new one */
export default function QueueDialog({ kind, queue, weight, close }) {
  return kind === "delete" ? html`<${Delete} queue=${queue} close=${close} />` : html`<${Edit} queue=${queue} weight=${weight} close=${close} />`;
}

/** @param {{queue: string, close: () => void}} props */
function Delete({ queue, close }) {
  const act = async () => {
    await ask(`queues/${encodeURIComponent(queue)}`, { method: "DELETE" });
    toast(t("queues.deleted", { name: queue }));
  };
  return html`<${Confirm} title=${t("queues.delete", { name: queue })} words=${queue} action=${t("bulk.delete")} act=${act} close=${close}><p>${t("queues.delete.what")}</p></${Confirm}>`;
}

/** @param {{queue: string, weight: number, close: () => void}} props */
function Edit({ queue, weight, close }) {
  const [name, setName] = useState(queue);
  const [share, setShare] = useState(String(weight));
  const send = async () => {
    await ask(`queues/${encodeURIComponent(name)}`, { method: "PUT", body: { weight: Number(share) } });
    toast(t("queues.saved", { name }));
  };
  return html`<${FormDialog} title=${queue ? t("queues.edit", { name: queue }) : t("queues.declare")} action=${t("action.save")} send=${send} close=${close}>
    ${!queue && html`<label>${t("queues.name")}<input required autofocus value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} /></label>`}
    <label>${t("queues.weight")}<input required type="number" min="1" value=${share} onInput=${(/** @type {any} */ event) => setShare(event.target.value)} /></label>
    <p class="soft">${t("queues.weight.what")}</p>
  </${FormDialog}>`;
}
