// Asking again and again, for what changes while somebody looks.

import { isAwake } from "./awake.js";
import { useEffect, useRef } from "./view.js";

/** In a component: does `act` every `everyMs` while somebody is at the page, and `on` is true. */
export function useEvery(everyMs, act, on = true) {
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => isAwake() && act(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, act, on]);
}

/** In a component: loads `list` again whenever `turn` changes. */
export function useAgain(list, turn) {
  const before = useRef(turn);
  useEffect(() => {
    if (turn && turn !== before.current) list.reload();
    before.current = turn;
  }, [turn]);
}
