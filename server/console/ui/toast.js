// Short news at the edge of the page, with a way back where there is one.

import { html } from "../lib/view.js";
import { store, useStore } from "../lib/store.js";
import { Button } from "./button.js";
import { Icon } from "./icons.js";

const SHOWN_MS = 6000;
const UNDO_MS = 10_000;

const toasts = store([]);
let next = 1;

/** Says something, for as long as somebody points at it and a little longer. `undo` is what takes it back; `bad` is for what failed. */
export function toast(text, { undo, bad } = {}) {
  const id = next++;
  const drop = () => toasts.set(toasts.get().filter((one) => one.id !== id));
  let timer;
  const hold = () => clearTimeout(timer);
  const release = () => {
    hold();
    timer = setTimeout(drop, undo ? UNDO_MS : SHOWN_MS);
  };
  toasts.set([...toasts.get().slice(-3), { id, text, undo, bad, drop, hold, release }]);
  release();
}

/** Where they appear: once, in the frame. */
export function Toasts() {
  const shown = useStore(toasts);
  const back = async ({ undo, drop }) => {
    drop();
    try {
      await undo();
    } catch (error) {
      toast(`Could not be undone: ${error.message}`, { bad: true });
    }
  };
  return html`<div class="toasts" role="status" aria-live="polite">${shown.map((one) => html`<div class=${one.bad ? "toast bad" : "toast"} key=${one.id} onMouseEnter=${one.hold} onMouseLeave=${one.release} onFocusIn=${one.hold} onFocusOut=${one.release}>
    <${Icon} name=${one.bad ? "warning" : "check"} />
    <span>${one.text}</span>
    ${one.undo && html`<${Button} small onClick=${() => back(one)}>Undo<//>`}
    <${Button} small kind="quiet" icon="close" label="Dismiss" onClick=${one.drop} />
  </div>`)}</div>`;
}
