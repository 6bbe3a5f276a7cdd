// The page of settings: the configuration in force, and where each value comes from.
import { changeQuery, place } from "../../app.js";
import { useAsk, useCell } from "../../lib/api.js";
import { Answer, Choice, Copy, Empty, Head, Scroll, t } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";

/** As the file would have it: JSON is YAML. @param {any} value */
const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** @param {any} setting */
const nameOf = (setting) => `${setting.section}.${setting.name}`;

/** Whether all words stand somewhere in it. @param {any} setting @param {string} text */
function matches(setting, text) {
  const all = [nameOf(setting), shown(setting.value), setting.source, setting.description].join(" ").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

/** Whether it has a secret, which is not known here. @param {any} setting */
const isMasked = (setting) => JSON.stringify(setting.value).includes("***");

/** @param {any} setting */
const line = (setting) => `  ${isMasked(setting) ? "# " : ""}${setting.name}: ${JSON.stringify(setting.value)}  # ${setting.source}`;

/** The settings as a file that sets them; a mask would be set as a value, so it is a comment. @param {any[]} settings */
function asFile(settings) {
  const sections = [...new Set(settings.map((each) => each.section))];
  return sections
    .flatMap((section) => {
      const its = settings.filter((each) => each.section === section);
      return [`${its.every(isMasked) ? "# " : ""}${section}:`, ...its.map(line)];
    })
    .join("\n");
}

/** @param {{settings: any[]}} props of one section */
const Section = ({ settings }) => html`<tbody><tr><th class="group" scope="rowgroup" colspan="4"><h2>${settings[0].section}</h2></th></tr>
  ${settings.map((each) => html`<tr key=${each.name}><th scope="row"><code>${each.name}</code> <${Copy} text=${nameOf(each)} /></th>
    <td class=${each.is_default ? "soft value" : "value"}><code>${shown(each.value)}</code>${!each.is_default && html`<div class="soft">${t("settings.default", { value: shown(each.default) })}</div>`}</td>
    <td>${each.source === "default" ? html`<span class="soft">${t("settings.source.default")}</span>` : each.source}</td><td class="soft">${each.description}</td></tr>`)}</tbody>`;

/** @param {{settings: any[]}} props */
function Settings({ settings }) {
  const sections = [...new Set(settings.map((each) => each.section))];
  return html`<${Scroll} label=${t("page.settings")}><table class="settings-table stack"><thead><tr><th>${t("settings.name")}</th><th>${t("settings.value")}</th><th>${t("settings.source")}</th><th>${t("settings.meaning")}</th></tr></thead>
    ${sections.map((section) => html`<${Section} key=${section} settings=${settings.filter((each) => each.section === section)} />`)}</table></${Scroll}>`;
}

export default function SettingsPage() {
  const { query } = useCell(place);
  const answer = useAsk("settings");
  const text = query.get("find") ?? "";
  const only = query.get("only") ?? "all";
  return html`<${Head} title=${t("page.settings")} />
    <div class="bar"><input class="grow" data-search type="search" aria-label=${t("settings.find")} placeholder=${t("settings.find")} value=${text} onInput=${(/** @type {any} */ event) => changeQuery({ find: event.target.value })} />
      <${Choice} name=${t("settings.only")} value=${only} choices=${[["all", t("settings.only.all")], ["changed", t("settings.only.changed")]]} choose=${(/** @type {string} */ each) => changeQuery({ only: each === "all" ? "" : each })} /></div>
    <${Answer} asked=${answer} lines=${12}>${(/** @type {any} */ { process, settings }) => {
      const found = settings.filter((/** @type {any} */ each) => (only === "all" || !each.is_default || each.source !== "default") && matches(each, text));
      return html`<p class="soft">${t("settings.process", { process })} ${found.length > 0 && html`${t("settings.copy")} <${Copy} label=${t("settings.copy.what")} text=${asFile(found)} />`}</p>
        ${found.length ? html`<${Settings} settings=${found} />` : html`<${Empty} title=${t("settings.none")}><p class="soft">${t("settings.none.next")}</p></${Empty}>`}`;
    }}</${Answer}>`;
}
