// Lines over time, drawn by uPlot. The colours are those of the style's tokens, in the theme that is shown.
import { html, useEffect, useRef, useState } from "../vendor/view.js";
import uPlot from "../vendor/uplot.js";
import { locale } from "./ui.js";

const HEIGHT = 176;
// Of the time that is shown.
const NEAR = 0.015;

/**
 * @typedef {{name: string, color: 1 | 2 | 3 | 4 | 5, values: (number | null)[], format: (value: number | null | undefined) => string}} Line
 */

/**
 * Something that happened at a time, in seconds: its label stands on the chart, its reason below while the pointer is near.
 * @typedef {{at: number, label: string, reason: string}} Mark
 */

/**
 * @param {{label: string, times: number[], lines: Line[], range?: [number, number], marks?: Mark[], least?: number}} props
 * `times` in seconds; `range` is what the time axis shows, also where there is nothing; `marks` are upright lines.
 * The axis of values reaches at least to `least`.
 */
export function Chart({ label, times, lines, range, marks = [], least = 0.001 }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const [at, setAt] = useState(/** @type {number | null} */ (null));
  const shown = useRef({ times, lines, range, marks, least });
  shown.current = { times, lines, range, marks, least };
  const names = lines.map((line) => line.name).join();
  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const make = () => {
      plot.current?.destroy();
      const drawn = shown.current;
      plot.current = new uPlot(options(element, shown, setAt), /** @type {any} */ ([drawn.times, ...drawn.lines.map((line) => line.values)]), element);
    };
    make();
    const resized = new ResizeObserver(() => plot.current.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    const themed = new MutationObserver(make);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    // The system's theme, which the console follows unless one is chosen.
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", make);
    return () => {
      system.removeEventListener("change", make);
      resized.disconnect();
      themed.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [names]);
  useEffect(() => plot.current?.setData([times, ...lines.map((line) => line.values)]), [times, lines]);
  const index = at ?? times.length - 1;
  const span = (range ?? [times[0], times[times.length - 1]]).reduce((first, last) => last - first);
  const near = at === null ? [] : marks.filter((mark) => Math.abs(mark.at - times[at]) <= span * NEAR);
  return html`<figure><div class="chart" ref=${box} role="img" aria-label=${label}></div>
    <figcaption class="legend">${lines.map((line) => html`<span key=${line.name}><i class=${`c${line.color}`}></i>${line.name} ${line.format(line.values[index])}</span>`)}
      ${at !== null && times.length > 0 && html`<span class="clock">${clock(times[at])}</span>`}${near.map((mark) => html`<span key=${mark.at}>${mark.label}: ${mark.reason}</span>`)}</figcaption></figure>`;
}

/** @param {number} seconds */
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString(locale);

/**
 * @param {HTMLElement} element @param {{current: {lines: Line[], range?: [number, number], marks: Mark[], least: number}}} shown @param {(index: number | null) => void} tell
 * @returns {any}
 */
function options(element, shown, tell) {
  const soft = colour(element, "--soft");
  const axis = { stroke: soft, font: "11px system-ui", grid: { stroke: colour(element, "--line"), width: 1 }, ticks: { show: false } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => shown.current.range ?? [low, high] },
      y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ high) => [0, Math.max((high || 0) * 1.1, shown.current.least)] },
    },
    axes: [
      { ...axis, size: 24, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((each) => new Date(each * 1000).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" })) },
      { ...axis, size: 58, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((each) => shown.current.lines[0].format(each)) },
    ],
    series: [{}, ...shown.current.lines.map((line) => ({ label: line.name, stroke: colour(element, `--chart-${line.color}`), width: 1.5, points: { show: false }, spanGaps: false }))],
    hooks: {
      draw: [(/** @type {any} */ plot) => drawMarks(plot, shown.current.marks, soft)],
      setCursor: [(/** @type {any} */ plot) => tell(plot.cursor.idx ?? null)],
    },
  };
}

/** @param {any} plot @param {Mark[]} marks @param {string} stroke */
function drawMarks(plot, marks, stroke) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.setLineDash([3, 3]);
  ctx.fillStyle = stroke;
  ctx.textAlign = "left";
  ctx.font = `${10 * devicePixelRatio}px system-ui`;
  let free = 0;
  for (const { at, label } of [...marks].sort((one, other) => one.at - other.at)) {
    const x = plot.valToPos(at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    // Where decisions follow each other closely, the first one has the room.
    if (x < free) continue;
    const { width } = ctx.measureText(label);
    const fits = x + 3 + width <= bbox.left + bbox.width;
    ctx.fillText(label, fits ? x + 3 : x - 3 - width, bbox.top + 10 * devicePixelRatio);
    free = x + 6 + width;
  }
  ctx.restore();
}

/** A token as a canvas knows it. @param {HTMLElement} element @param {string} token */
function colour(element, token) {
  element.style.color = `var(${token})`;
  const found = getComputedStyle(element).color;
  element.style.color = "";
  return found;
}
