// The console: its pages, the address of what is shown, the frame around the pages, and the keyboard.
import { access, learnAccess, PATIENCE, Problem, useCell, Cell, send } from "./lib/api.js";
import { Button, chooseLanguage, Failure, language, LiveSwitch, Loading, loadLanguage, Offline, otherLanguage, t, Toasts } from "./lib/ui.js";
import { html, render, useEffect, useRef, useState } from "./vendor/view.js";

/**
 * The pages, in the order of the navigation. `name` begins the address (`#/tasks/…`) and names the words
 * (`page.tasks`); `key` follows `g`; `load` imports the module, whose default export is the page's component.
 * @type {{name: string, key: string, group: string, load: () => Promise<{default: any}>,
 * one?: () => Promise<{default: any}>}[]} `one` is the page of one of them, whose id is the next part of the address
 */
export const PAGES = [
  { name: "overview", key: "o", group: "watch", load: () => import("./pages/overview/page.js") },
  { name: "tasks", key: "t", group: "watch", load: () => import("./pages/tasks/page.js"), one: () => import("./pages/task/page.js") },
  { name: "dead-letters", key: "d", group: "watch", load: () => import("./pages/dead-letters/page.js") },
  { name: "hosts", key: "h", group: "watch", load: () => import("./pages/hosts/page.js") },
  { name: "workers", key: "w", group: "watch", load: () => import("./pages/workers/page.js") },
  { name: "submit", key: "n", group: "manage", load: () => import("./pages/submit/page.js") },
  { name: "schedules", key: "s", group: "manage", load: () => import("./pages/schedules/page.js") },
  { name: "executors", key: "x", group: "manage", load: () => import("./pages/executors/page.js") },
  { name: "queues", key: "q", group: "manage", load: () => import("./pages/queues/page.js") },
  { name: "keys", key: "k", group: "manage", load: () => import("./pages/keys/page.js") },
  { name: "settings", key: "c", group: "manage", load: () => import("./pages/settings/page.js") },
];

/** @typedef {{name: string, rest: string[], query: URLSearchParams}} Place */

/** A part of the address; one that is cut or mistyped stays as it is. @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `#/tasks/a?tab=body` is the page `tasks`, the rest `["a"]`, and a query. @param {string} hash @returns {Place} */
export function placeOf(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [name, ...rest] = path.split("/").map(decoded);
  return { name: PAGES.some((page) => page.name === name) ? name : PAGES[0].name, rest, query: new URLSearchParams(query) };
}

export const place = new Cell(placeOf(location.hash));
addEventListener("hashchange", () => place.set(placeOf(location.hash)));

/** The address of a place, for links. @param {string[]} parts @param {Record<string, any>} [query] empty values are left out */
export function address(parts, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) if (each !== undefined && each !== null && each !== "") search.append(name, String(each));
  }
  const text = search.toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** Go to an address; with `replace`, the one before cannot be gone back to. @param {string} to @param {{replace?: boolean}} [options] */
export function go(to, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  place.set(placeOf(location.hash));
}

/** Change the query of the place that is shown: state that a colleague gets with the address. @param {Record<string, any>} changes */
export function changeQuery(changes) {
  const { name, rest, query } = place.value;
  /** @type {Record<string, any>} */
  const next = {};
  for (const each of query.keys()) next[each] = query.getAll(each);
  go(address([name, ...rest], { ...next, ...changes }), { replace: true });
}

/** What the keys of the present page do: `j`, `k`, `Enter`, `x`. @type {Cell<Record<string, () => void>>} */
const pageKeys = new Cell(/** @type {Record<string, () => void>} */ ({}));

/** Keys while a page is shown. @param {Record<string, () => void>} keys by the name of the key */
export function useKeys(keys) {
  useEffect(() => {
    pageKeys.set(keys);
    return () => pageKeys.set({});
  });
}

/** The overlay: `palette` or `help`. */
const overlay = new Cell("");
export const showOverlay = (/** @type {string} */ name) => overlay.set(name);

/** A letter of another script. @param {string} key */
const isForeign = (key) => /^\p{L}$/u.test(key) && !/\p{Script=Latin}/u.test(key);

/** The key as the console names it. On a layout without Latin letters, such as a Russian one, it is what stands there on a Latin one. @param {KeyboardEvent} event */
function keyOf({ key, code, shiftKey }) {
  if (/^[a-z]$/i.test(key)) return key.toLowerCase();
  // The Russian layout has no letter in the place of the slash.
  const isRussianStop = code === "Slash" && key === (shiftKey ? "," : ".");
  if (!isForeign(key) && !isRussianStop) return key;
  if (/^Key[A-Z]$/.test(code)) return code.slice(3).toLowerCase();
  return code === "Slash" ? (shiftKey ? "?" : "/") : key;
}

let afterG = 0;
/** @param {KeyboardEvent} event */
function onKey(event) {
  if ((event.ctrlKey || event.metaKey) && keyOf(event) === "k") {
    event.preventDefault();
    overlay.set("palette");
    return;
  }
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, dialog, [contenteditable]")) return;
  // What has the focus is pressed by it.
  if (event.key === "Enter" && target.closest("a, button, summary")) return;
  const follows = Date.now() - afterG < 1500;
  afterG = 0;
  const key = keyOf(event);
  const page = follows && PAGES.find((each) => each.key === key);
  const act = page ? () => go(address([page.name])) : { ...pageKeys.value, ...GLOBAL }[key];
  if (!act) return;
  event.preventDefault();
  act();
}

/** @type {Record<string, () => void>} */
const GLOBAL = {
  g: () => (afterG = Date.now()),
  "?": () => overlay.set("help"),
  "/": () => /** @type {HTMLElement | null} */ (document.querySelector("[data-search]"))?.focus(),
};

const THEME = "taskrunner.theme";
/** `auto` follows the browser. @param {string} theme */
function setTheme(theme) {
  localStorage.setItem(THEME, theme);
  document.documentElement.dataset.theme = theme;
}

/** A module, once it is loaded. @param {() => Promise<{default: any}>} load @param {string} name */
function useModule(load, name) {
  const [found, setFound] = useState({ name: "", Component: /** @type {any} */ (null), error: /** @type {Error | null} */ (null) });
  useEffect(() => {
    load().then(
      (module) => setFound({ name, Component: module.default, error: null }),
      () => setFound({ name, Component: null, error: new Problem(0, { code: "unreachable" }) }),
    );
  }, [name]);
  return found;
}

/** @param {{load: () => Promise<{default: any}>, name: string, [prop: string]: any}} props */
export function Lazy({ load, name, ...props }) {
  const { Component, error, name: loaded } = useModule(load, name);
  if (error) return html`<${Failure} error=${error} retry=${() => location.reload()} />`;
  return Component && loaded === name ? html`<${Component} key=${name} ...${props} />` : html`<${Loading} />`;
}

function Navigation() {
  const { name } = useCell(place);
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [name]);
  const groups = [...new Set(PAGES.map((page) => page.group))];
  return html`<nav class="nav" aria-label=${t("nav.pages")} data-open=${String(open)}>
    <div class="brand"><a href="#/overview">taskrunner</a>
      <button type="button" class="menu" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${t("nav.menu")}</button></div>
    <div class="links">${groups.map(
      (group) => html`<p>${t(`nav.${group}`)}</p><ul>${PAGES.filter((page) => page.group === group).map(
        (page) => html`<li><a href=${address([page.name])} aria-current=${page.name === name ? "page" : undefined}>${t(`page.${page.name}`)}<kbd>g ${page.key}</kbd></a></li>`,
      )}</ul>`,
    )}<${Settings} /></div>
  </nav>`;
}

function Settings() {
  const who = useCell(access);
  const [theme, choose] = useState(document.documentElement.dataset.theme);
  const next = { auto: "dark", dark: "light", light: "auto" }[theme || "auto"] || "auto";
  const leave = async () => {
    await send("sessions/current", { method: "DELETE" });
    access.set({ ...who, state: "out", reason: "left", key: null, session: null, scopes: [] });
  };
  return html`<div class="settings">
    <${LiveSwitch} />
    <button type="button" class="quiet" title=${t("theme.title")} onClick=${() => (setTheme(next), choose(next))}>${t(`theme.${theme}`)}</button>
    <button type="button" class="quiet" lang=${otherLanguage()} onClick=${() => chooseLanguage(otherLanguage())}>${t("language.other")}</button>
    <button type="button" class="quiet" onClick=${() => overlay.set("help")}>${t("help.title")}<kbd>?</kbd></button>
    <a class="quiet" href="docs">API</a>
    <p class="who" title=${who.scopes.join(", ")}>${who.key ? t("access.key", { key: who.key }) : t("access.open")}</p>
    ${who.session && html`<${Button} kind="quiet" onClick=${leave}>${t("access.leave")}</${Button}>`}
  </div>`;
}

/** @type {Record<string, () => Promise<{default: any}>>} */
const OVERLAYS = { palette: () => import("./shell/palette.js"), help: () => import("./shell/help.js") };

function Console() {
  const who = useCell(access);
  const { name, rest } = useCell(place);
  const shown = useCell(overlay);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const learn = () => learnAccess().then(() => setError(null), (failure) => failure.status !== 401 && setError(failure));
  useEffect(() => void learn(), []);
  useEffect(() => {
    if (!(error instanceof Problem && error.passes)) return undefined;
    const timer = setTimeout(learn, (error.retryAfter || PATIENCE) * 1000);
    return () => clearTimeout(timer);
  }, [error]);
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const first = useRef(true);
  useEffect(() => {
    // Whoever reads by ear begins at the top of the new page.
    if (!first.current) document.getElementById("main")?.focus({ preventScroll: true });
    first.current = false;
    scrollTo(0, 0);
  }, [name, rest[0]]);
  if (who.state === "out") return html`<${Lazy} load=${() => import("./shell/login.js")} name="login" />`;
  if (error) return html`<main class="alone"><${Failure} error=${error} retry=${learn} /></main>`;
  const page = /** @type {typeof PAGES[0]} */ (PAGES.find((each) => each.name === name));
  return html`<a class="skip" href="#main" onClick=${skip}>${t("nav.skip")}</a>
    <${Navigation} />
    <main id="main" tabindex="-1" lang=${language}><${Offline} />${who.state === "in" && shownPage(page, rest)}</main>
    ${shown && html`<${Lazy} load=${OVERLAYS[shown]} name=${shown} close=${() => overlay.set("")} />`}
    <${Toasts} />`;
}

/** The page, or that of one of what it lists. @param {typeof PAGES[0]} page @param {string[]} rest */
function shownPage(page, [id]) {
  if (id && page.one) return html`<${Lazy} key=${id} load=${page.one} name=${`${page.name}/one`} id=${id} />`;
  return html`<${Lazy} key=${page.name} load=${page.load} name=${page.name} />`;
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

setTheme(localStorage.getItem(THEME) || "auto");
await loadLanguage();
render(html`<${Console} />`, /** @type {HTMLElement} */ (document.getElementById("console")));
