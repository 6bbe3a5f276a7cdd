// The overview: what waits, what runs, how it went, and what is in trouble.
import { address, changeQuery, place } from "../../app.js";
import { useAsk, useCell } from "../../lib/api.js";
import { Chart } from "../../lib/chart.js";
import { Answer, Card, Choice, conditionOfHost, duration, Empty, Figure, Head, Load, named, number, OUTCOMES, percent, Scroll, Since, t, Time } from "../../lib/ui.js";
import { html, useMemo } from "../../vendor/view.js";

/** @type {Record<string, {seconds: number, resolution: string, every: number}>} */
const SPANS = {
  "5m": { seconds: 300, resolution: "1s", every: 2 },
  "1h": { seconds: 3600, resolution: "1m", every: 10 },
  "24h": { seconds: 86400, resolution: "1m", every: 30 },
};

/** What happened in the time of the points. @param {any[]} points */
function totals(points) {
  /** @param {string} name */
  const sum = (name) => points.reduce((all, point) => all + point[name], 0);
  const succeeded = sum("succeeded");
  const failed = sum("failed");
  return { submitted: sum("submitted"), succeeded, failed, retried: sum("retried"), ratio: succeeded + failed ? succeeded / (succeeded + failed) : null };
}

/** @param {number | null | undefined} value */
const rate = (value) => (value === null || value === undefined ? "–" : t("overview.rate", { rate: Math.round(value * 100) / 100 }));

/** A part of the overview, or that it is missing: the banner says why. @param {{value: any, children: (value: any) => any}} props */
const Part = ({ value, children }) => (value === null ? html`<p class="soft">${t("overview.part.missing")}</p>` : children(value));

/** @param {{points: any[], workers: any[], span: string}} props */
function Charts({ points, workers, span }) {
  const { seconds, resolution } = SPANS[span];
  const step = resolution === "1s" ? 1 : 60;
  const { times, values, range, marks } = useMemo(() => {
    /** @param {string} name @param {number} by @returns {(number | null)[]} */
    const each = (name, by = 1) => points.map((point) => (point[name] === null ? null : point[name] / by));
    const last = Math.max(points.length ? Date.parse(points[points.length - 1].at) / 1000 : 0, Math.floor(Date.now() / 1000) - 5);
    return {
      times: points.map((point) => Date.parse(point.at) / 1000),
      values: each,
      range: /** @type {[number, number]} */ ([last - seconds, last]),
      marks: workers.flatMap((worker) => worker.changes.map((/** @type {any} */ { at, before, after, reason }) => ({ at: Date.parse(at) / 1000, label: `${number(before)} → ${number(after)}`, reason }))),
    };
  }, [points, workers, span]);
  /** @param {string} name */
  const bound = (name) => points.map(() => workers.reduce((sum, worker) => sum + worker[name], 0));
  return html`
    <${Card} title=${t("overview.throughput")}><${Chart} label=${t("overview.throughput")} times=${times} range=${range} lines=${[
      { name: t("overview.submitted"), color: 1, values: values("submitted", step), format: rate },
      { name: t("overview.succeeded"), color: 2, values: values("succeeded", step), format: rate },
      { name: t("overview.failed"), color: 3, values: values("failed", step), format: rate },
    ]} /></${Card}>
    <${Card} title=${t("overview.latency")}><${Chart} label=${t("overview.latency")} times=${times} range=${range} lines=${[
      { name: "p50", color: 2, values: values("p50"), format: duration },
      { name: "p95", color: 4, values: values("p95"), format: duration },
      { name: "p99", color: 3, values: values("p99"), format: duration },
    ]} /></${Card}>
    <${Card} title=${t("overview.workers.chart")}><${Chart} label=${t("overview.workers.chart")} times=${times} range=${range} marks=${marks} lines=${[
      { name: t("overview.workers"), color: 1, values: values("workers"), format: number },
      { name: t("overview.least"), color: 2, values: bound("min_threads"), format: number },
      { name: t("overview.most"), color: 4, values: bound("max_threads"), format: number },
    ]} /></${Card}>
    <${Card} title=${t("overview.depth")}><${Chart} label=${t("overview.depth")} times=${times} range=${range} least=${4} lines=${[{ name: t("overview.waiting"), color: 5, values: values("depth"), format: number }]} /></${Card}>
  `;
}

/** What the autoscaler has changed, the newest first. @param {{workers: any[]}} props */
function Decisions({ workers }) {
  const changes = workers.flatMap((worker) => worker.changes).sort((one, other) => other.at.localeCompare(one.at)).slice(0, 6);
  if (!changes.length) return html`<p class="soft">${t("overview.decisions.none")}</p>`;
  return html`<ol class="plain">${changes.map((each, index) => html`<li key=${index}><strong>${number(each.before)} → ${number(each.after)}</strong> <${Time} at=${each.at} /> <span class="soft">${each.reason}</span></li>`)}</ol>`;
}

/** @param {{queues: any[]}} props */
const Queues = ({ queues }) => html`<${Scroll} label=${t("overview.queues")}><table>
  <thead><tr><th>${t("column.queue")}</th><th class="number">${t("overview.waiting")}</th><th class="number">${t("overview.oldest")}</th><th class="number">${t("overview.rates")}</th><th class="number">${t("overview.consumers")}</th><th>${t("overview.state")}</th></tr></thead>
  <tbody>${queues.map((queue) => html`<tr key=${queue.name}>
    <td><a href=${address(["tasks"], { queue: queue.name, status: "queued" })}>${queue.name}</a></td>
    <td class="number">${number(queue.ready)}</td><td class="number">${duration(queue.oldest_age)}</td>
    <td class="number">${number(queue.rate_in)} / ${number(queue.rate_out)}</td><td class="number">${number(queue.consumers)}</td>
    <td>${queue.paused ? html`<span class="badge warn" title=${queue.paused.scope}>${t("overview.paused")} <${Time} at=${queue.paused.since} /></span>` : queue.consumers === 0 ? html`<span class="badge bad">${t("overview.no_consumer")}</span>` : null}</td>
  </tr>`)}</tbody></table></${Scroll}>`;

/** @param {{workers: any[]}} props */
function Workers({ workers }) {
  if (!workers.length) return html`<${Empty} title=${t("overview.no_workers")}><p class="soft">${t("overview.no_workers.next")}</p></${Empty}>`;
  return html`<${Scroll} label=${t("overview.workers")}><table><thead><tr><th>${t("overview.consumer")}</th><th>${t("overview.busy")}</th><th class="number">${t("overview.bounds")}</th><th>${t("overview.decision")}</th></tr></thead>
    <tbody>${workers.map((worker) => html`<tr key=${worker.id}><td title=${worker.id}>${worker.host}:${worker.pid}</td>
      <td><${Load} used=${worker.busy} whole=${worker.threads} label=${t("overview.busy")} /></td>
      <td class="number">${worker.min_threads}–${worker.max_threads}, ${t("overview.target", { target: worker.target })}</td><td>${worker.last_decision ?? "–"}</td></tr>`)}</tbody></table></${Scroll}>`;
}

/** The parts that could not be read, those with the same reason together. @param {Record<string, string>} missing @returns {[string, string[]][]} */
function byReason(missing) {
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const [name, reason] of Object.entries(missing)) found.set(reason, [...(found.get(reason) ?? []), t(`overview.part.${name}`)]);
  return [...found];
}

/** What keeps tasks from running, most important first. @param {{checks: Record<string, any>, missing: Record<string, string>, stuck: Record<string, number> | null, queues: any[]}} props */
function Trouble({ checks, missing, stuck, queues }) {
  const count = Object.values(stuck ?? {}).reduce((sum, each) => sum + each, 0);
  return html`${Object.entries(checks).filter(([, check]) => !check.ok).map(([name, check]) => html`<div key=${name} class="banner bad"><p role="alert"><strong>${name}</strong> ${check.error}</p> <span class="soft">${t("overview.for")} <${Since} at=${check.since} /></span></div>`)}
    ${byReason(missing).map(([reason, parts]) => html`<p key=${reason} class="banner warn" role="status"><strong>${t("overview.missing", { parts: parts.join(", ") })}</strong> <span>${reason}</span></p>`)}
    ${count > 0 && html`<p class="banner warn" role="alert"><strong>${t("overview.stuck", { count })}</strong>
      <span>${Object.entries(stuck ?? {}).filter(([, each]) => each).map(([status, each]) => `${named("status", status)}: ${number(each)}`).join(", ")}. ${t("overview.stuck.next")} <code>taskrunner doctor</code></span></p>`}
    ${queues.filter((queue) => queue.ready && queue.consumers === 0).map((queue) => html`<p key=${queue.name} class="banner warn" role="alert"><strong>${t("overview.unserved", { queue: queue.name })}</strong> <span>${t("overview.no_workers.next")}</span></p>`)}`;
}

/** @param {{hosts: any[]}} props */
function Hosts({ hosts }) {
  if (!hosts.length) return html`<p class="soft">${t("overview.hosts.none")}</p>`;
  return html`<ul class="plain">${hosts.map((host) => html`<li key=${host.host}><span class="badge warn">${named("host", host.state)}</span> <a href=${address(["tasks"], conditionOfHost(host.host))}>${host.host}</a> ${host.until && html`<span class="soft"><${Time} at=${host.until} /></span>`}</li>`)}</ul>`;
}

/** Groups of failures, each with a bar and a link to its tasks. @param {{failures: any, groups: any[], conditionOf: (name: string) => Record<string, string>, words: (name: string) => string}} props */
function Failures({ failures, groups, conditionOf, words }) {
  if (!failures.looked_at) return html`<p class="soft">${t("overview.failing.none")}</p>`;
  return html`<p class="soft">${t("overview.failing.of", { count: failures.looked_at })}</p>
    <ul class="shares">${groups.map((each) => html`<li key=${each.name}><a href=${address(["tasks"], { status: "failed", ...conditionOf(each.name) })}>${words(each.name)}</a>
      <meter min="0" max=${failures.looked_at} value=${each.count} aria-label=${each.name}></meter> <span class="number">${number(each.count)}</span></li>`)}</ul>`;
}

/** A group is that of an outcome or, without one, of the reason. @param {string} name @returns {Record<string, string>} */
const conditionOfEnd = (name) => (OUTCOMES.includes(name) ? { outcome: name } : { reason: name });

/** @param {{checks: Record<string, any>}} props */
const Dependencies = ({ checks }) => html`<ul class="plain">${Object.entries(checks).map(([name, check]) => html`<li key=${name}><span class=${`dot ${check.ok ? "good" : "bad"}`}></span> ${name} <span class="soft">${check.ok ? t("overview.ok") : check.error} · <${Since} at=${check.since} /></span></li>`)}</ul>`;

/** @param {{value: any, span: string}} props */
function Everything({ value, span }) {
  const { queues, workers, checks, missing, counts, stuck, hosts, failures, points } = value;
  const sums = points && totals(points);
  const waiting = queues && queues.reduce((/** @type {number} */ all, /** @type {any} */ queue) => all + (queue.ready ?? 0), 0);
  return html`<${Trouble} checks=${checks} missing=${missing} stuck=${stuck} queues=${queues ?? []} />
    <dl class="figures">
      <${Figure} name=${t("overview.waiting")}>${number(waiting)}</${Figure}>
      <${Figure} name=${t("overview.running")}>${number(counts?.running)}</${Figure}>
      <${Figure} name=${t("overview.submitted")}>${number(sums?.submitted)}</${Figure}>
      <${Figure} name=${t("overview.succeeded")} tone="good">${number(sums?.succeeded)}</${Figure}>
      <${Figure} name=${t("overview.failed")} tone=${sums?.failed ? "bad" : ""}>${number(sums?.failed)}</${Figure}>
      <${Figure} name=${t("overview.ratio")}>${percent(sums?.ratio ?? null)}</${Figure}>
    </dl>
    <div class="cards">
      ${points && html`<${Charts} points=${points} workers=${workers ?? []} span=${span} />`}
      <${Card} double title=${t("overview.queues")}><${Part} value=${queues}>${(/** @type {any[]} */ found) => html`<${Queues} queues=${found} />`}</${Part}></${Card}>
      <${Card} title=${t("overview.decisions")}><${Part} value=${workers}>${(/** @type {any[]} */ found) => html`<${Decisions} workers=${found} />`}</${Part}></${Card}>
      <${Card} double title=${t("overview.workers")}><${Part} value=${workers}>${(/** @type {any[]} */ found) => html`<${Workers} workers=${found} />`}</${Part}></${Card}>
      <${Card} title=${t("overview.dependencies")}><${Dependencies} checks=${checks} /></${Card}>
      <${Card} title=${t("overview.failing.hosts")}><${Part} value=${failures}>${(/** @type {any} */ found) => html`<${Failures} failures=${found} groups=${found.hosts} conditionOf=${conditionOfHost} words=${String} />`}</${Part}></${Card}>
      <${Card} title=${t("overview.failing.errors")}><${Part} value=${failures}>${(/** @type {any} */ found) => html`<${Failures} failures=${found} groups=${found.outcomes} conditionOf=${conditionOfEnd} words=${(/** @type {string} */ name) => named("outcome", name)} />`}</${Part}></${Card}>
      <${Card} title=${t("overview.hosts")}><${Part} value=${hosts}>${(/** @type {any[]} */ found) => html`<${Hosts} hosts=${found} />`}</${Part}></${Card}>
    </div>`;
}

export default function Overview() {
  const { query } = useCell(place);
  const asked = query.get("span") ?? "5m";
  const span = asked in SPANS ? asked : "5m";
  const { seconds, resolution, every } = SPANS[span];
  const overview = useAsk(`overview?resolution=${resolution}&since=${seconds}s`, { every });
  return html`<${Head} title=${t("page.overview")}><${Choice} name=${t("overview.span")} value=${span} choices=${Object.keys(SPANS).map((each) => [each, t(`span.${each}`)])} choose=${(/** @type {string} */ each) => changeQuery({ span: each })} /></${Head}>
    <${Answer} asked=${overview} lines=${12}>${(/** @type {any} */ value) => html`<${Everything} value=${value} span=${span} />`}</${Answer}>`;
}
