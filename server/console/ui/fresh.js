// How old what is shown is, and that it is asked for again by itself.

import { html, useState } from "../lib/view.js";
import { useEvery } from "../lib/every.js";
import { relative, useNow } from "../lib/time.js";
import { Button } from "./button.js";

/** Does `reload` every `everyMs` while somebody is at the page, unless it is paused; `at` is when that was last done. */
export function Fresh({ at, reload, everyMs }) {
  const [paused, pause] = useState(false);
  const present = useNow(1000);
  useEvery(everyMs, reload, !paused);
  return html`<span class="fresh soft">${paused ? "paused" : "follows"}, updated ${at === undefined ? "–" : relative(at, present)}
    <${Button} small kind="quiet" aria-pressed=${paused ? "true" : "false"} onClick=${() => pause(!paused)}>Pause<//>
    <${Button} small icon="refresh" onClick=${reload}>Refresh<//></span>`;
}
