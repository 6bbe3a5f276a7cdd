// Times of runs, in the time zone of a schedule and in the reader's.
import { locale, t } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";

export const READERS_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A time as the clocks of a time zone show it. @param {string} at @param {string} zone */
function inZone(at, zone) {
  const options = /** @type {const} */ ({ weekday: "short", day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" });
  try {
    return new Date(at).toLocaleString(locale, { ...options, timeZone: zone });
  } catch {
    // The server knows more time zones than this browser.
    return "–";
  }
}

/** @param {{slots: string[], zone: string}} props */
export function Runs({ slots, zone }) {
  const differs = zone !== READERS_ZONE;
  return html`<table class="times"><thead><tr><th>${zone}</th>${differs && html`<th>${t("schedules.here", { zone: READERS_ZONE })}</th>`}</tr></thead>
    <tbody>${slots.map((at) => html`<tr key=${at}><td>${inZone(at, zone)}</td>${differs && html`<td class="soft">${inZone(at, READERS_ZONE)}</td>`}</tr>`)}</tbody></table>`;
}
