// The dialog that sets the limit of a host, or of all hosts that match a pattern.
import { ask } from "../../lib/api.js";
import { Dialog } from "../../lib/dialog.js";
import { Failure, t, toast } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const FIELDS = /** @type {const} */ ([["concurrency", "5"], ["rate", "10/s"], ["burst", "20"]]);

/** @param {{pattern: string, limit: any, close: () => void}} props `pattern` is empty where it is to be typed */
export default function Limit({ pattern, limit, close }) {
  const [host, setHost] = useState(pattern);
  const [typed, setTyped] = useState(/** @type {Record<string, string>} */ (Object.fromEntries(FIELDS.map(([name]) => [name, String(limit?.[name] ?? "")]))));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    const given = Object.entries(typed).filter(([, text]) => text !== "");
    const body = Object.fromEntries(given.map(([name, text]) => [name, Number.isNaN(Number(text)) ? text : Number(text)]));
    try {
      await ask(`hosts/${encodeURIComponent(host)}/limit`, { method: "PUT", body });
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
      return;
    }
    toast(t("hosts.limit.saved", { host }));
    close();
  };
  return html`<${Dialog} title=${pattern ? t("hosts.limit.of", { host: pattern }) : t("hosts.limit.set")} close=${close}><form class="form" onSubmit=${save}>
    ${!pattern && html`<label>${t("hosts.pattern")}<input required autofocus value=${host} placeholder="*.example.com" onInput=${(/** @type {any} */ event) => setHost(event.target.value)} /></label>`}
    ${FIELDS.map(([name, example]) => html`<label key=${name}>${t(`hosts.${name}`)}<input value=${typed[name]} placeholder=${example} onInput=${(/** @type {any} */ event) => setTyped({ ...typed, [name]: event.target.value })} /></label>`)}
    <p class="soft">${t("hosts.limit.what")}</p>${error && html`<${Failure} error=${error} />`}
    <div class="actions"><button type="button" onClick=${close}>${t("action.cancel")}</button><button class="primary">${t("action.save")}</button></div>
  </form></${Dialog}>`;
}
