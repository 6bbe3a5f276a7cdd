// All keys that the console knows.
import { PAGES } from "../app.js";
import { Dialog } from "../lib/dialog.js";
import { t } from "../lib/ui.js";
import { html } from "../vendor/view.js";

const KEYS = [["Ctrl K", "help.palette"], ["/", "help.search"], ["j  k", "help.move"], ["Enter", "help.open"], ["x", "help.select"], ["Esc", "help.close"], ["?", "help.title"]];

/** @param {{close: () => void}} props */
export default function Help({ close }) {
  const rows = [...KEYS.map(([key, words]) => [key, t(words)]), ...PAGES.map((page) => [`g ${page.key}`, t(`page.${page.name}`)])];
  return html`<${Dialog} title=${t("help.title")} close=${close}>
    <dl class="facts keys">${rows.map(([key, text]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${text}</dd></div>`)}</dl>
  </${Dialog}>`;
}
