// Completions of what is typed into the filter: the conditions, and values that the listed tasks have.
import { OUTCOMES } from "../../lib/ui.js";
import { CONDITIONS } from "./page.js";

const AGES = ["15m", "1h", "12h", "24h", "7d"];
const MOST = 20;

/** @param {string} url */
function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return "";
  }
}

/** What the listed tasks have in common with a condition. @param {any[]} tasks @returns {Record<string, string[]>} */
function seen(tasks) {
  /** @type {Record<string, Set<string>>} */
  const found = { queue: new Set(), label: new Set(), host: new Set(), executor: new Set(["http"]), created_by: new Set(), outcome: new Set(OUTCOMES) };
  for (const task of tasks) {
    found.queue.add(task.queue);
    if (task.url) found.host.add(hostOf(task.url));
    if (task.executor) found.executor.add(task.executor);
    if (task.created_by) found.created_by.add(task.created_by);
    for (const [name, value] of Object.entries(task.labels)) found.label.add(`${name}=${value}`);
  }
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, [...values].filter(Boolean).sort().slice(0, MOST)]));
}

/** @param {string} typed @param {any[]} tasks */
export function suggestions(typed, tasks) {
  const [name, value] = typed.split(/:(.*)/s);
  if (value === undefined) {
    // A value whose name the operator does not know yet.
    const values = name.trim() ? Object.entries(seen(tasks)).flatMap(([each, known]) => known.map((one) => `${each}:${one}`)).filter((each) => each.includes(name.trim())) : [];
    return [...CONDITIONS.filter((each) => each.includes(name.trim())).map((each) => `${each}:`), ...values];
  }
  const known = /_(after|before)$/.test(name) ? AGES : (seen(tasks)[name] ?? []);
  return known.filter((each) => each.includes(value)).map((each) => `${name}:${each}`);
}
