// The life of a token: issued, warned of, expired, and where now is in it.

import { html, classes } from "../../lib/view.js";
import { Stamp } from "../../ui/kit.js";
import { duration } from "../../lib/time.js";

/** `lead` is how long before its end its user is warned; a short-lived token is warned of in the middle of its life. */
export function TimeLine({ issuedAt, expireAt, lead, moment }) {
  const life = Math.max(1, expireAt - issuedAt);
  const warnAt = expireAt - Math.min(lead, Math.floor(life / 2));
  // A little of what is before and after is in the picture.
  const from = issuedAt - life * 0.06;
  const whole = life * 1.16;
  const place = (at) => ({ left: `${Math.min(100, Math.max(0, ((at - from) / whole) * 100)).toFixed(2)}%` });
  const span = (begin, end) => ({ ...place(begin), width: `${Math.max(0, Math.min(100, ((Math.max(begin, end) - begin) / whole) * 100)).toFixed(2)}%` });
  const state = moment >= expireAt ? "bad" : moment >= warnAt ? "warn" : moment < issuedAt ? "soft" : "good";
  const told = { bad: `Expired ${duration(moment - expireAt)} ago`, warn: `In its last ${duration(expireAt - moment)}: its user has been warned`, good: `${duration(expireAt - moment)} left`, soft: `Issued ${duration(issuedAt - moment)} from now` }[state];
  const steps = [["Issued", issuedAt], ["Warning", warnAt], ["Expires", expireAt]];
  return html`<section class="timeline" aria-label="Life of the token">
    <p class=${classes("told", state)}>${told} <span class="soft">of ${duration(life)}</span></p>
    <div class="track" aria-hidden="true">
      <span class="life" style=${span(issuedAt, warnAt)}></span><span class="warned" style=${span(warnAt, expireAt)}></span>
      ${steps.map(([name, at]) => html`<span class="tick" key=${name} style=${place(at)}></span>`)}
      <span class=${classes("present", state)} style=${place(moment)}></span>
    </div>
    <dl>${[...steps, ["Now", moment]].sort((a, b) => a[1] - b[1]).map(([name, at]) => html`<div key=${name} class=${name === "Now" && "is-now"}><dt>${name}</dt><dd><${Stamp} at=${at} /></dd></div>`)}</dl>
  </section>`;
}
