// Dialogs. Pages load them when they are asked for, with what they ask.
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
 * Asks before something that cannot be undone. With `words`, they have to be typed.
 * @param {{title: string, words?: string, action: string, act: () => Promise<void>, close: () => void, children?: any}} props
 */
export function Confirm({ title, words = "", action, act, close, children }) {
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    if (typed !== words || busy) return;
    setBusy(true);
    setError(null);
    try {
      await act();
      close();
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} close=${close}><form class="form" onSubmit=${submit}>
    ${children}
    ${words && html`<label>${t("confirm.type")} <code>${words}</code><input value=${typed} autocomplete="off" autofocus onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} /></label>`}
    ${error && html`<${Failure} error=${error} />`}
    <div class="actions"><button type="button" onClick=${close}>${t("action.cancel")}</button><button class="danger" disabled=${typed !== words || busy}>${action}</button></div>
  </form></${Dialog}>`;
}
