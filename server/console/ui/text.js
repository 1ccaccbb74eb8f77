// Small things in a line: names, numbers, moments, marks; and texts to be copied.

import { html, classes, useState } from "../lib/view.js";
import { exactMoment, moment, relative, stamp, useNow } from "../lib/time.js";
import { Button } from "./button.js";

/** A mark: `kind` is `good`, `warn`, `bad`, `accent` or nothing. */
export const Badge = ({ kind, children }) => html`<span class=${classes("badge", kind)}>${children}</span>`;

/** A moment as "3 min ago" or "in 2 h", with the whole of it at hand. */
export function When({ at, never = "never", every }) {
  const present = useNow(every);
  if (at === undefined || at === null) return html`<span class="soft">${never}</span>`;
  return html`<time datetime=${new Date(at * 1000).toISOString()} title=${exactMoment(at)}>${relative(at, present)}</time>`;
}

/** A moment, written out. */
export const Moment = ({ at }) => html`<time datetime=${new Date(at * 1000).toISOString()} title=${exactMoment(at)}>${moment(at)}</time>`;

/** A moment in a list, where seconds matter. */
export const Stamp = ({ at }) => html`<time class="stamp" datetime=${new Date(at * 1000).toISOString()} title=${exactMoment(at)}>${stamp(at)}</time>`;

/** A whole number with its separators. */
export const count = (number) => new Intl.NumberFormat().format(number);

/** Names, ids and the like, in letters of one width. */
export const Mono = ({ children }) => html`<span class="mono">${children}</span>`;

/** Puts a text on the clipboard. */
export function Copy({ text, label = "Copy", small = true }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<${Button} small=${small} icon=${done ? "check" : "copy"} label=${label} onClick=${copy}>${done ? "Copied" : "Copy"}<//>`;
}

/** A text to be copied, such as a credential that is shown once. */
export function Code({ text, label, lines }) {
  return html`<div class="code">
    ${label && html`<span class="label">${label}</span>`}
    <pre class=${lines ? "mono lines" : "mono"} tabindex="0" aria-label=${label}>${text}</pre>
    <${Copy} text=${text} label=${label ? `Copy ${label}` : "Copy"} />
  </div>`;
}

/** Names and values below one another; entries without a value are left out. */
export function Facts({ facts }) {
  return html`<dl class="facts">${facts.filter(([, value]) => value !== undefined).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
