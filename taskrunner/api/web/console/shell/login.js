// The form that asks for an API key, and changes it into a session of the browser.
import { access, ask, learnAccess } from "../lib/api.js";
import { Failure, t } from "../lib/ui.js";
import { html, useState } from "../vendor/view.js";

export default function Login() {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [busy, setBusy] = useState(false);
  /** @param {any} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await ask("sessions", { method: "POST", body: { key: event.target.elements.key.value.trim() } });
      await learnAccess();
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
      setBusy(false);
    }
  };
  const { reason } = access.value;
  return html`<main class="alone"><form class="card form" onSubmit=${submit}>
    <h1>taskrunner</h1>
    <p role="status">${t(["session_over", "left", "key_unknown"].includes(reason) ? `login.${reason}` : "login.key_missing")}</p>
    <label>${t("login.key")}<input name="key" type="password" required autofocus placeholder="tr_…" autocomplete="off" spellcheck=${false} /></label>
    ${error && html`<${Failure} error=${error} />`}
    <button class="primary" disabled=${busy}>${t("login.enter")}</button>
    <p class="soft">${t("login.note")}</p>
    <p class="soft"><code>taskrunner keys create NAME --scope admin</code></p>
  </form></main>`;
}
