// A message that could not be read: its bytes as text and as hex, and where RabbitMQ had it before.
import { useAsk } from "../../lib/api.js";
import { Dialog } from "../../lib/dialog.js";
import { Answer, Choice, Facts, t } from "../../lib/ui.js";
import { html, useState } from "../../vendor/view.js";

const MOST = 4096;

/** Sixteen bytes a line: its offset, the bytes, and the letters among them. @param {string} base64 */
function hex(base64) {
  const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0)).slice(0, MOST);
  /** @type {string[]} */
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = [...bytes.slice(at, at + 16)];
    const codes = line.map((each) => each.toString(16).padStart(2, "0")).join(" ");
    const letters = line.map((each) => (each >= 0x20 && each < 0x7f ? String.fromCharCode(each) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${codes.padEnd(47)}  ${letters}`);
  }
  return lines.join("\n");
}

/** @param {{id: string, close: () => void}} props */
export default function Message({ id, close }) {
  const letter = useAsk(`dead-letters/${encodeURIComponent(id)}`);
  const [as, setAs] = useState("text");
  return html`<${Dialog} wide title=${t("letters.message")} close=${close}><${Answer} asked=${letter}>${(/** @type {any} */ found) => html`
    <${Facts} rows=${[[t("letters.error"), found.error], [t("column.queue"), found.queue], [t("letters.death"), found.x_death ? JSON.stringify(found.x_death) : null]]} />
    <${Choice} name=${t("body.as")} value=${as} choices=${[["text", t("body.text")], ["hex", t("body.hex")]]} choose=${setAs} />
    <pre class="tall">${as === "hex" || found.raw_text === null ? hex(found.raw_base64 ?? "") : found.raw_text}</pre>`}</${Answer}></${Dialog}>`;
}
