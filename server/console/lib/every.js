// Asking again and again, for what changes while somebody looks.

import { isAwake } from "./awake.js";
import { useEffect } from "./view.js";

/** In a component: does `act` every `everyMs` while somebody is at the page, and `on` is true. */
export function useEvery(everyMs, act, on = true) {
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => isAwake() && act(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, act, on]);
}
