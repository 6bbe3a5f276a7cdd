// Dead letters by executor, host and reason, with how many came when.
import { changeQuery } from "../../app.js";
import { useAsk, withQuery } from "../../lib/api.js";
import { Answer, Button, Choice, moment, named, number, Scroll, t, Time } from "../../lib/ui.js";
import { html } from "../../vendor/view.js";

const HEIGHT = 24;
const BAR = 5;

/** A bar for each bucket, the tallest of `most`. @param {{counts: number[], buckets: string[], most: number}} props */
function Bars({ counts, buckets, most }) {
  const busiest = counts.indexOf(Math.max(...counts));
  const label = counts[busiest] ? t("letters.bars", { count: counts[busiest], at: moment(buckets[busiest]) }) : t("letters.bars.none");
  return html`<svg class="bars" viewBox=${`0 0 ${counts.length * BAR} ${HEIGHT}`} width=${counts.length * BAR} height=${HEIGHT} role="img" aria-label=${label}>
    ${counts.map((count, index) => {
      const height = count ? Math.max(2, (count / most) * HEIGHT) : 1;
      return html`<rect key=${buckets[index]} class=${count ? "" : "none"} x=${index * BAR} y=${HEIGHT - height} width=${BAR - 1} height=${height}><title>${`${moment(buckets[index])}: ${number(count)}`}</title></rect>`;
    })}</svg>`;
}

/** The conditions that select a group. @param {any} group @returns {Record<string, string[]>} */
export const conditionsOf = ({ executor, host, reason }) =>
  Object.fromEntries(Object.entries({ executor, host, reason }).filter(([, value]) => value).map(([name, value]) => [name, [value]]));

/** @param {{value: any, requeue: (conditions: Record<string, string[]>) => void}} props */
function Table({ value, requeue }) {
  const { groups, buckets } = value;
  const most = Math.max(1, ...groups.flatMap((/** @type {any} */ group) => group.counts));
  return html`<${Scroll} label=${t("letters.groups")}><table class="stack"><thead><tr><th>${t("letters.reason")}</th><th>${t("task.executor")}</th><th>${t("workers.host")}</th><th class="number">${t("letters.count")}</th><th>${t("letters.over.time")}</th><th>${t("letters.first")}</th><th>${t("letters.last")}</th><th>${t("queues.actions")}</th></tr></thead>
    <tbody>${groups.map((/** @type {any} */ group) => html`<tr key=${JSON.stringify(conditionsOf(group))}>
      <th scope="row"><button type="button" class="link" onClick=${() => changeQuery({ ...conditionsOf(group), cursor: "" })}>${named("outcome", group.reason)}</button></th>
      <td>${group.executor ?? "–"}</td><td class="name">${group.host ?? "–"}</td><td class="number">${number(group.count)}</td><td><${Bars} counts=${group.counts} buckets=${buckets} most=${most} /></td>
      <td><${Time} at=${group.first_at} /></td><td><${Time} at=${group.last_at} /></td>
      <td><div class="bar"><${Button} needs="operate" why=${group.executor === null ? t("letters.unreadable") : ""} onClick=${() => requeue(conditionsOf(group))}>${t("letters.requeue")}</${Button}></div></td></tr>`)}</tbody></table></${Scroll}>`;
}

/** @param {{conditions: Record<string, string[]>, bucket: string, requeue: (conditions: Record<string, string[]>) => void}} props */
export function Groups({ conditions, bucket, requeue }) {
  const groups = useAsk(withQuery("dead-letter-groups", { ...conditions, bucket }), { every: 30 });
  return html`<section class="card wide"><header><h2>${t("letters.groups")}</h2>
      <${Choice} name=${t("overview.span")} value=${bucket} choices=${[["1h", t("letters.hours")], ["1d", t("letters.days")]]} choose=${(/** @type {string} */ each) => changeQuery({ bucket: each })} /></header>
    <${Answer} asked=${groups}>${(/** @type {any} */ value) => html`
      ${value.groups.length ? html`<${Table} value=${value} requeue=${(/** @type {any} */ found) => requeue({ ...conditions, ...found })} />` : html`<p class="soft">${t("letters.groups.none")}</p>`}
      ${value.other > 0 && html`<p class="soft">${t("letters.other", { count: value.other })}</p>`}
      ${!value.complete && html`<p class="soft">${t("letters.incomplete", { count: value.counted })} <${Time} at=${value.since} />. ${t("letters.incomplete.next")}</p>`}`}</${Answer}></section>`;
}
