// Dialogs. Pages load them when they are asked for, with what they ask.
import { askTagged, Problem, useLeaving } from "./api.js";
import { Failure, t } from "./ui.js";
import { html, useEffect, useRef, useState } from "../vendor/view.js";

/**
 * A dialog over the page; Escape and a click beside it call `close`, unless it `stays`.
 * @param {{title: string, close: () => void, children: any, wide?: boolean, stays?: boolean}} props
 */
export function Dialog({ title, close, children, wide, stays }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  // Text that is selected with the mouse may end beside the dialog.
  const pressedBeside = useRef(false);
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => /** @type {HTMLElement | null} */ (before)?.focus?.();
  }, []);
  /** @param {Event} event */
  const cancel = (event) => {
    event.preventDefault();
    if (!stays) close();
  };
  /** @param {Event} event */
  const press = (event) => (pressedBeside.current = event.target === element.current);
  /** @param {Event} event */
  const click = (event) => !stays && pressedBeside.current && event.target === element.current && close();
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-label=${title} onCancel=${cancel} onPointerDown=${press} onClick=${click}>
    <div class="dialog"><header><h2>${title}</h2><button type="button" class="quiet" aria-label=${t("action.close")} onClick=${close}>✕</button></header>${children}</div>
  </dialog>`;
}

/**
 * A form in a dialog, sent once at a time. `send` raises what is told above its buttons; unless it answers false, the dialog closes,
 * if it is still there: `close` would otherwise close another one.
 * With `rebase`, a change that somebody else made meanwhile (412) can be read, and the edits kept.
 * @param {{title: string, action: string, send: () => Promise<unknown>, close: () => void, kind?: string, disabled?: boolean, wide?: boolean, rebase?: () => Promise<unknown>, children?: any}} props
 */
export function FormDialog({ title, action, send, close, kind = "primary", disabled = false, wide = false, rebase, children }) {
  const leaving = useLeaving();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  /** @param {() => Promise<unknown>} act @param {() => void} [then] */
  const once = async (act, then) => {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      if ((await act()) !== false && !leaving.aborted) then?.();
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
    setBusy(false);
  };
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    if (!disabled) void once(send, close);
  };
  const isOld = rebase && error instanceof Problem && error.status === 412;
  return html`<${Dialog} title=${title} close=${close} wide=${wide}><form class="form" onSubmit=${submit}>
    ${children}
    ${error && html`<${Failure} error=${error} />`}
    <div class="actions">${isOld && html`<button type="button" onClick=${() => once(rebase)}>${t(kind === "danger" ? "action.reload" : "action.rebase")}</button>`}
      <button type="button" onClick=${close}>${t("action.cancel")}</button><button class=${kind} disabled=${disabled || busy} aria-busy=${busy ? "true" : undefined}>${action}</button></div>
  </form></${Dialog}>`;
}

/**
 * Asks before something that cannot be undone. With `words`, they have to be typed. With `path`, `act` gets the entity tag of
 * what stands there now, so that it does nothing to something else; a change outside of what `matters` of it is none. If `act`
 * answers false, the dialog stays.
 * @param {{title: string, words?: string, action: string, path?: string, matters?: (value: any) => any, act: (etag: string | null) => Promise<unknown>, close: () => void, children?: any}} props
 */
export function Confirm({ title, words = "", action, path = "", matters = (value) => value, act, close, children }) {
  const [typed, setTyped] = useState("");
  const learn = () => (path ? askTagged(path) : Promise.resolve({ value: null, etag: null }));
  // Read as the dialog opens: what the operator decides on.
  const known = useRef(/** @type {Promise<{value: any, etag: string | null}> | null} */ (null));
  useEffect(() => {
    known.current = learn();
    known.current.catch(() => undefined);
  }, [path]);
  const send = async () => {
    // A first read that has failed is repeated with the press.
    known.current = known.current?.catch(learn) ?? learn();
    const { value, etag } = await known.current;
    try {
      return await act(etag);
    } catch (failure) {
      if (!(failure instanceof Problem && failure.status === 412)) throw failure;
      const newer = await learn();
      if (JSON.stringify(matters(newer.value)) !== JSON.stringify(matters(value))) throw failure;
      return act(newer.etag);
    }
  };
  const rebase = async () => {
    known.current = learn();
    await known.current;
    return false;
  };
  return html`<${FormDialog} title=${title} action=${action} send=${send} rebase=${path ? rebase : undefined} close=${close} kind="danger" disabled=${typed !== words}>
    ${children}
    ${words && html`<label>${t("confirm.type")} <code>${words}</code><input value=${typed} autocomplete="off" autofocus onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} /></label>`}
  </${FormDialog}>`;
}
