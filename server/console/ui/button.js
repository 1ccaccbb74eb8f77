// Buttons, and links that look like one.

import { html, classes, useState } from "../lib/view.js";
import { Icon } from "./icons.js";

/**
 * A button. `kind` is `primary`, `danger`, `quiet`, or nothing; with `href` it is a link. An `onClick` that returns a
 * promise keeps it busy until then, so that nothing is done twice.
 */
export function Button({ kind, icon, small, busy, href, children, onClick, class: more, label, ...rest }) {
  const [working, setWorking] = useState(false);
  const names = classes("button", kind, small && "small", !children && "bare", more);
  const inside = html`${icon && html`<${Icon} name=${icon} />`}${children && html`<span>${children}</span>`}`;
  if (href) return html`<a class=${names} href=${href} aria-label=${label} ...${rest}>${inside}</a>`;
  const waits = busy || working;
  const click = async (event) => {
    if (waits) return;
    const done = onClick?.(event);
    if (typeof done?.then !== "function") return;
    setWorking(true);
    try {
      await done;
    } finally {
      setWorking(false);
    }
  };
  // One that waits keeps the focus, which a disabled one would lose; only what sends a form is disabled, against Enter.
  const isOff = rest.disabled || (waits && rest.type === "submit");
  return html`<button type="button" class=${classes(names, waits && "busy")} aria-label=${label} aria-busy=${waits ? "true" : undefined}
    ...${rest} disabled=${isOff} aria-disabled=${waits ? "true" : rest["aria-disabled"]} onClick=${onClick ? click : undefined}>${inside}</button>`;
}
