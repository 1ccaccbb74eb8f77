// Dialogs: one to put anything in, and a question that is answered with yes or no.

import { html, useId, useLayoutEffect, useRef, useState } from "../lib/view.js";
import { store, useStore } from "../lib/store.js";
import { Button } from "./button.js";
import { Fault } from "./states.js";

/** A dialog above the page. `onClose` is called when it should go, by Escape too unless `fixed`. */
export function Dialog({ title, onClose, children, wide, fixed }) {
  const dialog = useRef();
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown.showModal();
    return () => {
      // Nothing behind an open dialog can take the focus.
      shown.close();
      before?.focus?.();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    if (!fixed) onClose();
  };
  return html`<dialog ref=${dialog} class=${wide ? "dialog wide" : "dialog"} aria-labelledby=${id} onCancel=${cancel}>
    <header><h2 id=${id}>${title}</h2>${!fixed && html`<${Button} kind="quiet" small icon="close" label="Close" onClick=${onClose} />`}</header>
    ${children}
  </dialog>`;
}

const question = store(null);

/**
 * Asks before something is done. `act` does it; if it fails, the dialog says why and stays. Resolves to what `act`
 * returned, or `undefined` if the answer was no. With `type`, that text must be typed in first.
 */
export function confirm({ title, body, yes = "Confirm", kind = "danger", type, act }) {
  return new Promise((resolve) => question.set({ title, body, yes, kind, type, act, resolve }));
}

/** Where questions appear: once, in the frame. */
export function Questions() {
  const asked = useStore(question);
  return asked && html`<${Question} key=${asked.title} ...${asked} />`;
}

function Question({ title, body, yes, kind, type, act, resolve }) {
  const [typed, setTyped] = useState("");
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const id = useId();
  const close = (result) => {
    question.set(null);
    resolve(result);
  };
  const confirmed = async () => {
    setBusy(true);
    setError(undefined);
    try {
      close((await act?.()) ?? true);
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${() => close(undefined)}>
    <form class="form" novalidate onSubmit=${(event) => { event.preventDefault(); if (!type || typed === type) confirmed(); }}>
      <div class="body">${typeof body === "string" ? html`<p>${body}</p>` : body}</div>
      ${type && html`<div class="field"><label for=${id}>Type <b class="mono">${type}</b> to confirm</label>
        <input id=${id} class="input mono" autocomplete="off" spellcheck="false" value=${typed} onInput=${(event) => setTyped(event.target.value)} /></div>`}
      ${error && html`<${Fault} error=${error} />`}
      <footer class="actions">
        <${Button} onClick=${() => close(undefined)} disabled=${busy}>Cancel<//>
        <${Button} type="submit" kind=${kind} busy=${busy} disabled=${Boolean(type) && typed !== type}>${yes}<//>
      </footer>
    </form>
  <//>`;
}
