// Asking again and again, for what changes while somebody looks.
//
// Nobody is asked while the page is hidden, or when nobody has touched it for a while: an open page must not keep a
// session alive for ever.

import { useEffect } from "./view.js";

const IDLE_MS = 15 * 60_000;

let touchedAt = Date.now();
for (const name of ["pointerdown", "pointermove", "keydown", "visibilitychange"]) {
  document.addEventListener(name, () => void (touchedAt = Date.now()), { passive: true });
}

/** Whether somebody looks at the page. */
export const isWatched = () => !document.hidden && Date.now() - touchedAt < IDLE_MS;

/** In a component: does `act` every `everyMs` while somebody looks, and `on` is true. */
export function useEvery(everyMs, act, on = true) {
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => isWatched() && act(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, act, on]);
}
