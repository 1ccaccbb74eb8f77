// A new second factor: what to put into an authenticator app, and the code that shows that it arrived.

import { html, useMemo } from "../lib/view.js";
import { encode } from "../vendor/uqr.js";
import { Text, errorAt } from "./form.js";
import { Code } from "./text.js";

export function Enrol({ enrolment, totp, onTotp, error }) {
  const secret = enrolment.totp_secret.replace(/(.{4})(?=.)/g, "$1 ");
  return html`<div class="enrol">
    <${Qr} text=${enrolment.totp_uri} label="For the camera of an authenticator app" />
    <div>
      <p>Scan this with an authenticator app, or type the key in.</p>
      <${Code} label="key" text=${secret} lines />
      <${Text} label="Code" hint="The six digits that the app shows now." value=${totp} onValue=${onTotp} error=${errorAt(error, "totp")} name="totp" inputmode="numeric" autocomplete="one-time-code" maxlength="6" mono />
    </div>
  </div>`;
}

/** A text as squares. Always dark on light: cameras want it so. */
function Qr({ text, label }) {
  const { size, path } = useMemo(() => {
    const { size, data } = encode(text, { border: 2, ecc: "M" });
    const squares = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])));
    return { size, path: squares.join("") };
  }, [text]);
  return html`<svg class="qr" viewBox=${`0 0 ${size} ${size}`} role="img" aria-label=${label} shape-rendering="crispEdges"><rect width=${size} height=${size} fill="#fff" /><path d=${path} fill="#000" /></svg>`;
}
