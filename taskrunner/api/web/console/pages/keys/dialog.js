// The dialogs of API keys: create, rotate, change the limits, revoke. A secret is shown once.
import { ask } from "../../lib/api.js";
import { Confirm, Dialog, FormDialog } from "../../lib/dialog.js";
import { useEditing } from "../../lib/editing.js";
import { Copy, Failure, Loading, t, toast } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const SCOPES = ["submit", "read", "operate", "read:all", "admin"];
const LIMITS = /** @type {const} */ ([["rate", "10/s"], ["burst", "20"], ["max_live_tasks", "1000"], ["max_stored_bytes", "1000000000"]]);

/** What a key is, without what its use changes. @param {any} key */
const granted = ({ hint, scopes, owner, expires_at, revoked_at, previous_until }) => ({ hint, scopes, owner, expires_at, revoked_at, previous_until });

/** @param {{kind: "create" | "rotate" | "limits" | "revoke", value?: any, close: () => void}} props */
export default function KeyDialog({ kind, value, close }) {
  if (kind === "revoke") {
    /** @param {string | null} etag */
    const act = async (etag) => {
      await ask(`keys/${value.name}/revoke`, { method: "POST", etag });
      toast(t("keys.revoke.done", { name: value.name }));
    };
    return html`<${Confirm} title=${t("keys.revoke.title", { name: value.name })} words=${value.name} action=${t("keys.revoke")} path=${`keys/${value.name}`} matters=${granted} act=${act} close=${close}><p>${t("keys.revoke.what")}</p></${Confirm}>`;
  }
  const Form = { create: Create, rotate: Rotate, limits: Limits }[kind];
  return html`<${Form} value=${value} close=${close} />`;
}

/** @param {{name: string, secret: string, close: () => void}} props */
const Secret = ({ name, secret, close }) => html`<${Dialog} stays title=${t("keys.secret", { name })} close=${close}><p>${t("keys.secret.what")}</p>
  <p><code>${secret}</code> <${Copy} text=${secret} label=${t("keys.secret.label")} /></p>
  <div class="actions"><button type="button" class="primary" onClick=${close}>${t("action.close")}</button></div></${Dialog}>`;

/**
 * A form whose answer has a secret, which is shown before the dialog closes.
 * @param {{title: string, action: string, send: () => Promise<any>, close: () => void, children: any}} props
 */
function SecretForm({ title, action, send, close, children }) {
  const [made, setMade] = useState(/** @type {any} */ (null));
  const act = async () => {
    setMade(await send());
    return false;
  };
  if (made) return html`<${Secret} name=${made.name} secret=${made.secret} close=${close} />`;
  return html`<${FormDialog} title=${title} action=${action} send=${act} close=${close}>${children}</${FormDialog}>`;
}

/** What stands in the fields; empty ones are null, numbers are numbers. @param {Record<string, string>} typed */
const given = (typed) => Object.fromEntries(Object.entries(typed).map(([name, text]) => [name, text === "" ? null : name === "rate" || Number.isNaN(Number(text)) ? text : Number(text)]));

/** @param {{typed: Record<string, string>, change: (typed: Record<string, string>) => void}} props */
const LimitFields = ({ typed, change }) => html`${LIMITS.map(([name, example]) => html`<label key=${name}>${t(`keys.${name}`)}<input value=${typed[name]} placeholder=${example} onInput=${(/** @type {any} */ event) => change({ ...typed, [name]: event.target.value })} /></label>`)}`;

/** @param {{close: () => void}} props */
function Create({ close }) {
  const [name, setName] = useState("");
  const [owner, setOwner] = useState("");
  const [expires, setExpires] = useState("");
  const [scopes, setScopes] = useState(["submit", "read"]);
  const [typed, change] = useState(/** @type {Record<string, string>} */ (Object.fromEntries(LIMITS.map(([each]) => [each, ""]))));
  /** @param {string} scope */
  const turn = (scope) => setScopes(scopes.includes(scope) ? scopes.filter((each) => each !== scope) : [...scopes, scope]);
  const send = () => ask("keys", { method: "POST", body: { name, scopes, owner: owner || null, expires_at: expires ? new Date(expires).toISOString() : null, ...given(typed) } });
  return html`<${SecretForm} title=${t("keys.create")} action=${t("keys.create")} send=${send} close=${close}>
    <label>${t("keys.name")}<input required autofocus value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} /></label>
    <fieldset><legend>${t("keys.scopes")}</legend>${SCOPES.map((scope) => html`<label class="inline" key=${scope}><input type="checkbox" checked=${scopes.includes(scope)} onChange=${() => turn(scope)} />${scope} <span class="soft">${t(`keys.scope.${scope.replace(":", "_")}`)}</span></label>`)}</fieldset>
    <label>${t("keys.owner")}<input value=${owner} onInput=${(/** @type {any} */ event) => setOwner(event.target.value)} /></label>
    <label>${t("keys.expires")}<input type="datetime-local" value=${expires} onInput=${(/** @type {any} */ event) => setExpires(event.target.value)} /></label>
    <details><summary>${t("keys.limits")}</summary><div class="form"><${LimitFields} typed=${typed} change=${change} /></div></details>
  </${SecretForm}>`;
}

/** @param {{value: any, close: () => void}} props */
function Rotate({ value, close }) {
  const [grace, setGrace] = useState("1h");
  const send = () => ask(`keys/${value.name}/rotate`, { method: "POST", body: { grace: grace || 0 } });
  return html`<${SecretForm} title=${t("keys.rotate.title", { name: value.name })} action=${t("keys.rotate")} send=${send} close=${close}><p>${t("keys.rotate.what")}</p>
    <label>${t("keys.grace")}<input value=${grace} placeholder="1h" onInput=${(/** @type {any} */ event) => setGrace(event.target.value)} /></label></${SecretForm}>`;
}

/** @param {any} value @returns {Record<string, string>} */
const draftOf = (value) => Object.fromEntries(LIMITS.map(([each]) => [each, String(value[each] ?? "")]));

/** @param {{value: any, close: () => void}} props */
function Limits({ value, close }) {
  const { draft, setDraft, error, save, rebase } = useEditing(`keys/${value.name}`, { draftOf, fieldsOf: given });
  const title = t("keys.limits.title", { name: value.name });
  if (draft === null) return html`<${Dialog} title=${title} close=${close}>${error ? html`<${Failure} error=${error} />` : html`<${Loading} lines=${4} />`}</${Dialog}>`;
  return html`<${FormDialog} title=${title} action=${t("action.save")} send=${() => save()} rebase=${() => rebase().then(() => false)} close=${close}><p class="soft">${t("keys.limits.what")}</p><${LimitFields} typed=${draft} change=${setDraft} /></${FormDialog}>`;
}
