// Fields of forms. Each has a label, and says below what is expected or wrong.

import { html, classes, useId, useState } from "../lib/view.js";
import { Button } from "./button.js";

/** Label, control, hint and error. `control` gets the ids it needs. */
export function Field({ label, hint, error, optional, class: more, control }) {
  const id = useId();
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class=${classes("field", error && "wrong", more)}>
    <label for=${id}>${label}${optional && html` <span class="soft">optional</span>`}</label>
    ${control({ id, "aria-describedby": about || undefined, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`} role="alert">${error}</p>`}
  </div>`;
}

/** A line of text. `onValue` gets what is in it. */
export function Text({ label, hint, error, optional, class: more, value, onValue, mono, ...rest }) {
  return html`<${Field} label=${label} hint=${hint} error=${error} optional=${optional} class=${more} control=${(ids) =>
    html`<input class=${classes("input", mono && "mono")} type="text" autocomplete="off" spellcheck="false" ...${rest} ...${ids} value=${value}
      onInput=${(event) => onValue(event.target.value)} />`} />`;
}

/** Several lines of text. */
export function Area({ label, hint, error, optional, value, onValue, mono, rows = 4, ...rest }) {
  return html`<${Field} label=${label} hint=${hint} error=${error} optional=${optional} control=${(ids) =>
    html`<textarea class=${classes("input", mono && "mono")} rows=${rows} autocomplete="off" spellcheck="false" ...${rest} ...${ids} value=${value}
      onInput=${(event) => onValue(event.target.value)}></textarea>`} />`;
}

/** A secret that is typed in, with a switch to see it. */
export function Password({ label = "Password", hint, error, value, onValue, ...rest }) {
  const [shown, setShown] = useState(false);
  return html`<${Field} label=${label} hint=${hint} error=${error} control=${(ids) => html`<div class="with-button">
    <input class="input" type=${shown ? "text" : "password"} spellcheck="false" ...${rest} ...${ids} value=${value} onInput=${(event) => onValue(event.target.value)} />
    <${Button} small kind="quiet" aria-pressed=${shown ? "true" : "false"} label=${`Show ${label.toLowerCase()}`} onClick=${() => setShown(!shown)}>${shown ? "Hide" : "Show"}<//>
  </div>`} />`;
}

/** One of a few; `options` are `[value, text]`. */
export function Select({ label, hint, error, value, onValue, options, class: more, ...rest }) {
  return html`<${Field} label=${label} hint=${hint} error=${error} class=${more} control=${(ids) =>
    html`<select class="input" ...${rest} ...${ids} value=${value} onChange=${(event) => onValue(event.target.value)}>
      ${options.map(([of, text]) => html`<option key=${of} value=${of} selected=${of === value}>${text}</option>`)}
    </select>`} />`;
}

/** Yes or no. */
export function Check({ label, hint, checked, onValue, disabled }) {
  const id = useId();
  return html`<div class="check">
    <input type="checkbox" id=${id} checked=${checked} disabled=${disabled} aria-describedby=${hint ? `${id}-hint` : undefined} onChange=${(event) => onValue(event.target.checked)} />
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/** Several of a few; `value` is an array. */
export function Checks({ legend, hint, error, value, onValue, options, disabled }) {
  const id = useId();
  const toggle = (one, on) => onValue(options.map(([of]) => of).filter((of) => (of === one ? on : value.includes(of))));
  return html`<fieldset class="checks" aria-describedby=${error ? `${id}-error` : undefined}>
    <legend>${legend}</legend>
    ${hint && html`<p class="hint">${hint}</p>`}
    <div class="many">${options.map(([of, text, about]) => html`<${Check} key=${of} label=${text} hint=${about} checked=${value.includes(of)} disabled=${disabled} onValue=${(on) => toggle(of, on)} />`)}</div>
    ${error && html`<p class="error" id=${`${id}-error`} role="alert">${error}</p>`}
  </fieldset>`;
}

/** One of a few, each with a line on what it means; `options` are `[value, text, meaning]`. */
export function Choices({ legend, hint, error, value, onValue, options, disabled }) {
  const id = useId();
  return html`<fieldset class="choices">
    <legend>${legend}</legend>
    ${hint && html`<p class="hint">${hint}</p>`}
    ${options.map(([of, text, meaning]) => html`<label class=${classes("choice", of === value && "chosen")} key=${of}>
      <input type="radio" name=${id} value=${of} checked=${of === value} disabled=${disabled} onChange=${() => onValue(of)} />
      <span><b>${text}</b>${meaning && html`<span class="hint">${meaning}</span>`}</span>
    </label>`)}
    ${error && html`<p class="error" role="alert">${error}</p>`}
  </fieldset>`;
}

const LENGTHS = [["s", 1, "seconds"], ["min", 60, "minutes"], ["h", 3600, "hours"], ["d", 86_400, "days"]];

/** A length of time, in whatever unit fits; the value is in seconds, or `undefined`. */
export function Length({ label, hint, error, optional, seconds, onValue, units = ["s", "min", "h", "d"], disabled }) {
  const offered = LENGTHS.filter(([unit]) => units.includes(unit));
  const fitting = seconds ? offered.findLast(([, size]) => seconds % size === 0) : undefined;
  const [unit, setUnit] = useState((fitting ?? offered[0])[0]);
  const size = offered.find(([name]) => name === unit)[1];
  // The number stays: who has typed 2 and now says hours means two hours.
  const turn = (next) => {
    setUnit(next);
    if (seconds !== undefined) onValue(Math.round((seconds / size) * offered.find(([name]) => name === next)[1]));
  };
  return html`<${Field} label=${label} hint=${hint} error=${error} optional=${optional} control=${(ids) => html`<div class="with-button">
    <input class="input" type="number" min="0" step="any" inputmode="decimal" ...${ids} disabled=${disabled} value=${seconds === undefined ? "" : seconds / size}
      onInput=${(event) => onValue(event.target.value === "" ? undefined : Math.round(Number(event.target.value) * size))} />
    <select class="input unit" aria-label=${`Unit of ${label.toLowerCase()}`} disabled=${disabled} value=${unit} onChange=${(event) => turn(event.target.value)}>
      ${offered.map(([name, , text]) => html`<option key=${name} value=${name} selected=${name === unit}>${text}</option>`)}
    </select>
  </div>`} />`;
}

/** What a failed request says of the field `name`; elsewhere it belongs below the form. */
export function errorAt(error, name) {
  if (error?.field !== name && !error?.field?.startsWith(`${name}[`)) return undefined;
  return error.message.charAt(0).toUpperCase() + error.message.slice(1);
}

/** A form that sends nothing by itself: `onSend` does, and keeps the form busy. */
export function Form({ onSend, children, class: more, label }) {
  const send = (event) => {
    event.preventDefault();
    onSend();
  };
  return html`<form class=${classes("form", more)} aria-label=${label} novalidate onSubmit=${send}>${children}</form>`;
}
