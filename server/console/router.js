// Which page the address names. Addresses hold the names of things, and never a credential.

import { store, useStore } from "./lib/store.js";

export const ROOT = "/console";

const here = () => ({ path: location.pathname.slice(ROOT.length).replace(/\/+$/, "") || "/", query: new URLSearchParams(location.search) });

const place = store(here());
let mayLeave = () => true;

addEventListener("popstate", () => place.set(here()));
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname !== ROOT && !link.pathname.startsWith(`${ROOT}/`)) return;
  if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
  event.preventDefault();
  go(link.pathname.slice(ROOT.length) + link.search);
});

/** Goes to a page, such as `/apps/7`. */
export function go(path, { replace = false } = {}) {
  if (!replace && !mayLeave()) return;
  history[replace ? "replaceState" : "pushState"](null, "", href(path));
  place.set(here());
  if (!replace) scrollTo(0, 0);
}

/** Puts values into the address's query, for what should survive a reload. */
export function setQuery(values) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  place.set(here());
}

/** Asks before leaving a page with changes that are not saved. */
export function guard(question) {
  mayLeave = question ?? (() => true);
  // Before the whole console is left, browsers ask in their own words.
  window.onbeforeunload = question ? (event) => event.preventDefault() : null;
}

/** Path and query of the present page. */
export const present = () => place.get();

/** In a component: path and query of the present page. */
export const usePlace = () => useStore(place);

/** The address of a page, for links. */
export const href = (path) => ROOT + (path === "/" ? "" : path);

/** The first of `routes` that fits, with the values of its `{names}`. */
export function match(routes, path) {
  for (const route of routes) {
    const names = route.path.split("/");
    const values = path.split("/");
    if (names.length !== values.length) continue;
    const params = {};
    const fits = names.every((name, at) => {
      if (!name.startsWith("{")) return name === values[at];
      try {
        params[name.slice(1, -1)] = decodeURIComponent(values[at]);
      } catch {
        return false;
      }
      return values[at] !== "";
    });
    if (fits) return { route, params };
  }
  return undefined;
}
