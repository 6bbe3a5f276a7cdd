// The overview: what waits, what runs, how it went, and what is in trouble.
import { address, changeQuery, place } from "../../app.js";
import { useAsk, useCell } from "../../lib/api.js";
import { Chart } from "../../lib/chart.js";
import { Answer, Card, Choice, duration, Empty, Figure, Head, number, percent, Scroll, Since, t, Time } from "../../lib/ui.js";
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

/** @param {{points: any[], span: string}} props */
function Charts({ points, span }) {
  const { seconds, resolution } = SPANS[span];
  const step = resolution === "1s" ? 1 : 60;
  const drawn = useMemo(() => {
    /** @param {string} name @param {number} by @returns {(number | null)[]} */
    const values = (name, by = 1) => points.map((point) => (point[name] === null ? null : point[name] / by));
    const last = points.length ? Date.parse(points[points.length - 1].at) / 1000 : Math.floor(Date.now() / 1000);
    /** @type {[number, number]} */
    const range = [last - seconds, last];
    /** @param {number | null | undefined} value */
    const rate = (value) => (value === null || value === undefined ? "–" : `${number(Math.round(value * 100) / 100)}/s`);
    return { times: points.map((point) => Date.parse(point.at) / 1000), values, range, rate };
  }, [points, span]);
  const { times, values, range, rate } = drawn;
  return html`<div class="cards">
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
    <${Card} title=${t("overview.depth")}><${Chart} label=${t("overview.depth")} times=${times} range=${range} lines=${[
      { name: t("overview.waiting"), color: 5, values: values("depth"), format: number },
      { name: t("overview.workers"), color: 1, values: values("workers"), format: number },
    ]} /></${Card}>
  </div>`;
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
      <td><meter min="0" max=${worker.threads} value=${worker.busy} aria-label=${t("overview.busy")}></meter> ${t("overview.busy.of", { busy: worker.busy, threads: worker.threads })}</td>
      <td class="number">${worker.min_threads}–${worker.max_threads}, ${t("overview.target", { target: worker.target })}</td><td>${worker.last_decision ?? "–"}</td></tr>`)}</tbody></table></${Scroll}>`;
}

/** What keeps tasks from running, most important first. @param {{health: any, stats: any}} props */
function Trouble({ health, stats }) {
  const ill = Object.entries(health?.checks ?? {}).filter(([, check]) => !check.ok);
  const stuck = Object.values(stats?.stuck ?? {}).reduce((sum, count) => sum + Number(count), 0);
  return html`${ill.map(([name, check]) => html`<p key=${name} class="banner bad" role="alert"><strong>${name}</strong> ${check.error} <span class="soft">${t("overview.for")} <${Since} at=${check.since} /></span></p>`)}
    ${stuck > 0 && html`<p class="banner warn" role="alert"><strong>${t("overview.stuck", { count: stuck })}</strong> ${t("overview.stuck.next")} <code>taskrunner doctor</code></p>`}`;
}

/** @param {{hosts: any[]}} props */
function Hosts({ hosts }) {
  const troubled = hosts.filter((host) => host.state !== "ok");
  if (!troubled.length) return html`<p class="soft">${t("overview.hosts.none")}</p>`;
  return html`<${Scroll} label=${t("overview.hosts")}><table><tbody>${troubled.map((host) => html`<tr key=${host.host}><td><a href=${address(["tasks"], { host: host.host })}>${host.host}</a></td>
    <td><span class="badge warn">${host.state.replaceAll("_", " ")}</span></td><td><${Time} at=${host.until} /></td></tr>`)}</tbody></table></${Scroll}>`;
}

/** @param {{checks: Record<string, any>}} props */
const Dependencies = ({ checks }) => html`<ul>${Object.entries(checks).map(([name, check]) => html`<li key=${name}><span class=${`dot ${check.ok ? "good" : "bad"}`}></span> ${name} <span class="soft">${check.ok ? t("overview.ok") : check.error} · <${Since} at=${check.since} /></span></li>`)}</ul>`;

export default function Overview() {
  const { query } = useCell(place);
  const span = query.get("span") ?? "5m";
  const { seconds, resolution, every } = SPANS[span] ?? SPANS["5m"];
  const history = useAsk(`stats/history?resolution=${resolution}&since=${seconds}s`, { every });
  const stats = useAsk("stats", { every: 5 });
  const queues = useAsk("queues", { every: 2 });
  const workers = useAsk("workers", { every: 2 });
  const health = useAsk("health", { every: 5 });
  const hosts = useAsk("hosts?limit=20", { every: 10 });
  const sums = totals(history.value?.points ?? []);
  return html`<${Head} title=${t("page.overview")}><${Choice} name=${t("overview.span")} value=${span} choices=${Object.keys(SPANS).map((each) => [each, t(`span.${each}`)])} choose=${(/** @type {string} */ each) => changeQuery({ span: each })} /></${Head}>
    <${Trouble} health=${health.value} stats=${stats.value} />
    <dl class="figures">
      <${Figure} name=${t("overview.waiting")}>${number(queues.value?.queues.reduce((/** @type {number} */ all, /** @type {any} */ queue) => all + (queue.ready ?? 0), 0))}</${Figure}>
      <${Figure} name=${t("overview.running")}>${number(stats.value?.counts?.running)}</${Figure}>
      <${Figure} name=${t("overview.submitted")}>${number(sums.submitted)}</${Figure}>
      <${Figure} name=${t("overview.succeeded")} tone="good">${number(sums.succeeded)}</${Figure}>
      <${Figure} name=${t("overview.failed")} tone=${sums.failed ? "bad" : ""}>${number(sums.failed)}</${Figure}>
      <${Figure} name=${t("overview.ratio")}>${percent(sums.ratio)}</${Figure}>
    </dl>
    <${Answer} asked=${history} lines=${6}>${(/** @type {any} */ value) => html`<${Charts} points=${value.points} span=${span} />`}</${Answer}>
    <${Card} wide title=${t("overview.queues")}><${Answer} asked=${queues} lines=${3}>${(/** @type {any} */ value) => html`<${Queues} queues=${value.queues} />`}</${Answer}></${Card}>
    <${Card} wide title=${t("overview.workers")}><${Answer} asked=${workers} lines=${2}>${(/** @type {any} */ value) => html`<${Workers} workers=${value.workers} />`}</${Answer}></${Card}>
    <div class="cards"><${Card} title=${t("overview.hosts")}><${Answer} asked=${hosts} lines=${2}>${(/** @type {any} */ value) => html`<${Hosts} hosts=${value.hosts} />`}</${Answer}></${Card}>
      <${Card} title=${t("overview.dependencies")}><${Answer} asked=${health} lines=${2}>${(/** @type {any} */ value) => html`<${Dependencies} checks=${value.checks ?? {}} />`}</${Answer}></${Card}></div>`;
}
