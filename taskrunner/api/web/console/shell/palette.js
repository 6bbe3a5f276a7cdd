// The command palette: any page by its name, any task by its id.
import { address, go, PAGES, showOverlay } from "../app.js";
import { Dialog } from "../lib/dialog.js";
import { t } from "../lib/ui.js";
import { html, useState } from "../vendor/view.js";

/** What can be done with what is typed. @param {string} typed @returns {{text: string, act: () => void}[]} */
function commands(typed) {
  const wanted = typed.trim().toLowerCase();
  const pages = PAGES.map((page) => ({ text: t(`page.${page.name}`), act: () => go(address([page.name])) }));
  const found = pages.filter((each) => each.text.toLowerCase().includes(wanted));
  if (!wanted) return [...found, { text: t("help.title"), act: () => showOverlay("help") }];
  return [
    ...found,
    { text: t("palette.task", { id: typed.trim() }), act: () => go(address(["tasks", typed.trim()])) },
    { text: t("palette.host", { host: typed.trim() }), act: () => go(address(["tasks"], { host: typed.trim() })) },
    { text: t("palette.label", { label: typed.trim() }), act: () => go(address(["tasks"], { label_text: typed.trim() })) },
  ];
}

/** @param {{close: () => void}} props */
export default function Palette({ close }) {
  const [typed, setTyped] = useState("");
  const [chosen, choose] = useState(0);
  const found = commands(typed);
  const at = Math.min(chosen, found.length - 1);
  /** @param {number} index */
  const run = (index) => {
    close();
    found[index]?.act();
  };
  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose((at + step + found.length) % found.length);
    else if (event.key === "Enter") run(at);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} title=${t("help.palette")} close=${close}>
    <input class="big" role="combobox" aria-label=${t("palette.input")} aria-expanded="true" aria-controls="commands" aria-activedescendant=${`command-${at}`}
      placeholder=${t("palette.input")} autofocus value=${typed} onKeyDown=${onKey} onInput=${(/** @type {any} */ event) => (setTyped(event.target.value), choose(0))} />
    <ul class="commands" id="commands" role="listbox" aria-label=${t("help.palette")}>${found.map(
      (each, index) => html`<li id=${`command-${index}`} role="option" aria-selected=${String(index === at)} onMouseMove=${() => choose(index)} onClick=${() => run(index)}>${each.text}</li>`,
    )}</ul>
  </${Dialog}>`;
}
