// The dialogs that set the limit of a host, or of all hosts that match a pattern, and remove one.
import { ask } from "../../lib/api.js";
import { Confirm, Dialog, FormDialog } from "../../lib/dialog.js";
import { useEditing } from "../../lib/editing.js";
import { Failure, Loading, t, toast } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const FIELDS = /** @type {const} */ ([["concurrency", "5"], ["rate", "10/s"], ["burst", "20"]]);

/** @param {string} pattern */
const pathOf = (pattern) => `hosts/${encodeURIComponent(pattern)}/limit`;

/** What stands in the fields. @param {any} limit @returns {Record<string, string>} */
const draftOf = (limit) => Object.fromEntries(FIELDS.map(([name]) => [name, String(limit[name] ?? "")]));

/** The limit that is typed; a rate may have a unit. @param {Record<string, any>} draft */
const fieldsOf = (draft) =>
  Object.fromEntries(Object.entries(draft).filter(([, text]) => text !== "").map(([name, text]) => [name, Number.isNaN(Number(text)) ? text : Number(text)]));

/** @param {{kind: "new" | "edit" | "delete", pattern: string, close: () => void}} props `pattern` is empty where it is to be typed */
export default function Limit({ kind, pattern, close }) {
  if (kind === "edit") return html`<${Edit} pattern=${pattern} close=${close} />`;
  if (kind === "new") return html`<${Create} pattern=${pattern} close=${close} />`;
  /** @param {string | null} etag */
  const act = async (etag) => {
    await ask(pathOf(pattern), { method: "DELETE", etag });
    toast(t("hosts.limit.removed", { pattern }));
  };
  return html`<${Confirm} title=${t("hosts.limit.remove", { pattern })} action=${t("bulk.delete")} path=${pathOf(pattern)} act=${act} close=${close}><p>${t("hosts.limit.remove.what")}</p></${Confirm}>`;
}

/** @param {{draft: Record<string, string>, change: (draft: Record<string, string>) => void}} props */
const Fields = ({ draft, change }) => html`${FIELDS.map(([name, example]) => html`<label key=${name}>${t(`hosts.${name}`)}<input value=${draft[name]} placeholder=${example} onInput=${(/** @type {any} */ event) => change({ ...draft, [name]: event.target.value })} /></label>`)}
  <p class="soft">${t("hosts.limit.what")}</p>`;

/** @param {{pattern: string, close: () => void}} props */
function Create({ pattern, close }) {
  const [host, setHost] = useState(pattern);
  const [draft, change] = useState(draftOf({}));
  const send = async () => {
    // What another operator has set meanwhile stays.
    await ask(pathOf(host), { method: "PUT", ifNew: true, body: fieldsOf(draft) });
    toast(t("hosts.limit.saved", { host }));
  };
  return html`<${FormDialog} title=${pattern ? t("hosts.limit.of", { host: pattern }) : t("hosts.limit.set")} action=${t("action.save")} send=${send} close=${close}>
    ${!pattern && html`<label>${t("hosts.pattern")}<input required autofocus value=${host} placeholder="*.example.com" onInput=${(/** @type {any} */ event) => setHost(event.target.value)} /></label>`}
    <${Fields} draft=${draft} change=${change} /></${FormDialog}>`;
}

/** @param {{pattern: string, close: () => void}} props */
function Edit({ pattern, close }) {
  const { draft, setDraft, error, save, rebase } = useEditing(pathOf(pattern), { draftOf, fieldsOf });
  const title = t("hosts.limit.of", { host: pattern });
  if (draft === null) return html`<${Dialog} title=${title} close=${close}>${error ? html`<${Failure} error=${error} />` : html`<${Loading} lines=${3} />`}</${Dialog}>`;
  const send = async () => {
    await save();
    toast(t("hosts.limit.saved", { host: pattern }));
  };
  return html`<${FormDialog} title=${title} action=${t("action.save")} send=${send} rebase=${() => rebase().then(() => false)} close=${close}><${Fields} draft=${draft} change=${setDraft} /></${FormDialog}>`;
}
