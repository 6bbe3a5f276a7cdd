// The question before a task is deleted.
import { address, go } from "../../app.js";
import { ask } from "../../lib/api.js";
import { Confirm } from "../../lib/dialog.js";
import { t, toast } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";

/** @param {{path: string, close: () => void}} props */
export default function Remove({ path, close }) {
  /** @param {string | null} etag */
  const act = async (etag) => {
    await ask(path, { method: "DELETE", etag });
    toast(t("task.deleted"));
    go(address(["tasks"]));
  };
  return html`<${Confirm} title=${t("task.delete")} action=${t("bulk.delete")} path=${path} act=${act} close=${close}><p>${t("bulk.delete.what")}</p></${Confirm}>`;
}
