// The body that a task has fetched: as a JSON tree, text, bytes in hex, or a picture. Nothing of it is run or fetched.
import { send } from "../../lib/api.js";
import { Card, Choice, Copy, Empty, Failure, Loading, size, t } from "../../lib/ui.js";
import { html, useEffect, useMemo, useState } from "../../vendor/view.js";
import { parse } from "./json.js";

// What is shown of a large body; all of it can be saved.
const MOST_TEXT = 256 * 1024;
const MOST_HEX = 16 * 1024;
const MOST_MEMBERS = 500;
// Formats that cannot have a script in them. In an <img>, an SVG could not run one either, but it is text first.
const PICTURES = /^image\/(png|jpeg|gif|webp|avif|bmp)\b/;

/** @param {{node: import("./json.js").Node, name?: string, depth?: number}} props */
function Tree({ node, name, depth = 0 }) {
  const label = name === undefined ? "" : html`<span class="key">${name}</span>: `;
  if (node.kind !== "object" && node.kind !== "array") {
    return html`<div class=${`leaf ${node.kind}`}>${label}<span>${node.kind === "string" ? JSON.stringify(node.text) : node.text}</span></div>`;
  }
  const [open, close] = node.kind === "object" ? "{}" : "[]";
  if (!node.members.length) return html`<div class="leaf">${label}${open}${close}</div>`;
  return html`<details open=${depth < 2}><summary>${label}${open} <span class="soft">${t("body.members", { count: node.members.length })}</span> ${close}</summary>
    ${node.members.slice(0, MOST_MEMBERS).map(([key, member], index) => html`<${Tree} key=${index} node=${member} name=${key} depth=${depth + 1} />`)}
    ${node.members.length > MOST_MEMBERS && html`<p class="soft">${t("body.more", { count: node.members.length - MOST_MEMBERS })}</p>`}</details>`;
}

/** Sixteen bytes a line: place, hex, and what is printable. @param {Uint8Array} bytes */
function hex(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, MOST_HEX); at += 16) {
    const part = [...bytes.slice(at, at + 16)];
    const digits = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${digits.padEnd(47)}  ${part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("")}`);
  }
  return lines.join("\n");
}

/** The text of bytes; null if they are no UTF-8. @param {Uint8Array} bytes */
function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** @param {{bytes: Uint8Array, type: string, id: string}} props */
function Viewer({ bytes, type, id }) {
  const text = useMemo(() => textOf(bytes), [bytes]);
  const tree = useMemo(() => (text === null || text.length > 8 * MOST_TEXT ? null : parse(text)), [text]);
  const picture = useMemo(() => (PICTURES.test(type) ? URL.createObjectURL(new Blob([/** @type {BlobPart} */ (bytes)], { type })) : ""), [bytes, type]);
  useEffect(() => () => URL.revokeObjectURL(picture), [picture]);
  const saved = useMemo(() => URL.createObjectURL(new Blob([/** @type {BlobPart} */ (bytes)], { type: "application/octet-stream" })), [bytes]);
  useEffect(() => () => URL.revokeObjectURL(saved), [saved]);
  /** @type {[string, string][]} */
  const choices = [["json", t("body.json")], ["text", t("body.text")], ["picture", t("body.picture")], ["hex", t("body.hex")]];
  const possible = choices.filter(([name]) => ({ json: tree, text: text !== null, picture, hex: true })[name]);
  const [chosen, choose] = useState(possible[0][0]);
  return html`<${Card} title=${t("task.body")} actions=${html`<span class="actions"><${Choice} name=${t("body.as")} value=${chosen} choices=${possible} choose=${choose} />
      ${text !== null && html`<${Copy} text=${text} label=${t("task.body")} />`}<a href=${saved} download=${`${id}.bin`}>${t("body.save")}</a></span>`}>
    <p class="soft">${[type, size(bytes.length)].filter(Boolean).join(" · ")}</p>
    ${chosen === "json" && tree && html`<div class="tree" tabindex="0" role="region" aria-label=${t("body.json")}><${Tree} node=${tree} /></div>`}
    ${chosen === "text" && html`<pre class="tall" tabindex="0">${(text ?? "").slice(0, MOST_TEXT)}</pre>`}
    ${chosen === "picture" && html`<img src=${picture} alt=${t("body.picture")} />`}
    ${chosen === "hex" && html`<pre class="tall" tabindex="0">${hex(bytes)}</pre>`}
    ${((chosen === "text" && (text ?? "").length > MOST_TEXT) || (chosen === "hex" && bytes.length > MOST_HEX)) && html`<p class="soft">${t("body.cut")}</p>`}
  </${Card}>`;
}

/** @param {{task: any, path: string}} props */
export default function Body({ task, path }) {
  const [bytes, setBytes] = useState(/** @type {Uint8Array | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const sha = task.result?.sha256;
  useEffect(() => {
    if (sha) send(`${path}/body`, { accept: "*/*" }).then((answer) => answer.arrayBuffer()).then((found) => setBytes(new Uint8Array(found)), setError);
  }, [path, sha]);
  if (!task.result) return html`<${Empty} title=${t("body.none")} />`;
  if (error) return html`<${Failure} error=${error} />`;
  if (!bytes) return html`<${Loading} lines=${3} />`;
  return html`${task.result.truncated && html`<p class="banner warn">${t("body.truncated")}</p>`}<${Viewer} bytes=${bytes} type=${task.result.content_type ?? ""} id=${task.id} />`;
}
