// What is measured of sound and pictures, in words.

import { html } from "../../lib/view.js";
import { Badge, count } from "../../ui/kit.js";

/** What is measured is asked for again so often: the server measures over a second. */
export const MEASURED_MS = 2000;

/** Bits a second. */
export function rate(bps) {
  if (bps >= 1_000_000) return `${(bps / 1_000_000).toFixed(1)} Mbit/s`;
  return `${Math.round(bps / 1000)} kbit/s`;
}

/** How a track does, in a line. */
export function quality({ loss, rtt_ms: rtt }) {
  const parts = [loss !== undefined && `${(100 * loss).toFixed(1)} % lost`, rtt !== undefined && `${Math.round(rtt)} ms`];
  return parts.filter(Boolean).join(", ");
}

/** From here on a share of lost packets is worth a colour. */
const LOSSY = 0.03;
export const isLossy = ({ loss }) => loss !== undefined && loss >= LOSSY;

/** What a stream's publisher sends. */
export function Sent({ published }) {
  if (!published.length) return html`<span class="soft">not through this node</span>`;
  return html`<span class="tracks">${published.map((track, at) => html`<span class="row tight" key=${at}><${Badge} kind=${track.is_live ? "" : "warn"}>${track.kind}${track.is_live ? "" : ", held back"}<//>
    <span>${rate(track.stats.bitrate_bps)}${track.layer_count > 1 && `, ${track.layer_count} sizes`}</span>
    <span class=${isLossy(track.stats) ? "warn" : "soft"}>${quality(track.stats)}</span></span>`)}</span>`;
}

/** How those who play a stream get it: their number, and what the worst of them has. */
export function Received({ received: { user_count: users, worst_loss: worst = 0, freezes }, onOpen }) {
  if (!users) return html`<span class="soft">nobody plays it</span>`;
  return html`<span class="row tight"><button type="button" class="link" onClick=${onOpen}>${count(users)} ${users === 1 ? "user" : "users"}</button>
    ${worst >= LOSSY && html`<${Badge} kind="warn">up to ${(100 * worst).toFixed(0)} % lost<//>`}
    ${freezes > 0 && html`<${Badge} kind="warn">${freezes} ${freezes === 1 ? "freeze" : "freezes"}<//>`}</span>`;
}

/** What a user's connection carries. */
export function Flow({ media }) {
  if (!media) return html`<span class="soft">none</span>`;
  if (!media.is_connected) return html`<${Badge} kind="warn">not connected<//>`;
  return html`<span class="flow"><span title="sends">↑ ${rate(media.sent_bps)}</span> <span title="receives">↓ ${rate(media.received_bps)}</span></span>`;
}
