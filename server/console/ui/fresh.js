// How old what is shown is, and that it is asked for again by itself.

import { html, useCallback, useRef, useState } from "../lib/view.js";
import { useEvery } from "../lib/every.js";
import { relative, useNow } from "../lib/time.js";
import { Button } from "./button.js";

/**
 * Has `follow` load again every `everyMs` while somebody is at the page, unless it is paused: then an answer that was under
 * way is not shown either. `reload` loads when asked to; `at` is when that was last done.
 */
export function Fresh({ at, reload, follow, everyMs }) {
  const [paused, setPaused] = useState(false);
  const isPaused = useRef(false);
  const pause = (on) => {
    isPaused.current = on;
    setPaused(on);
  };
  const present = useNow(1000);
  const again = useCallback(() => follow(() => !isPaused.current), [follow]);
  useEvery(everyMs, again, !paused);
  return html`<span class="fresh soft">${paused ? "paused" : "follows"}, updated ${at === undefined ? "–" : relative(at, present)}
    <${Button} small kind="quiet" aria-pressed=${paused ? "true" : "false"} onClick=${() => pause(!paused)}>Pause<//>
    <${Button} small icon="refresh" onClick=${reload}>Refresh<//></span>`;
}
