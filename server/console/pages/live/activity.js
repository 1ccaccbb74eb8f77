// What has happened since the page was opened.

import { html } from "../../lib/view.js";
import { Badge, Empty, Mono, Stamp } from "../../ui/kit.js";

const WORDS = {
  room_opened: ["Room opened", ""],
  room_closed: ["Room closed", ""],
  user_entered: ["Entered", "good"],
  user_left: ["Left", ""],
  stream_started: ["Stream started", "good"],
  stream_stopped: ["Stream stopped", ""],
  login_refused: ["Login refused", "bad"],
  renewal_refused: ["Renewal refused", "bad"],
  token_renewed: ["Token renewed", ""],
  privileges_changed: ["Privileges changed", "warn"],
};

export function Activity({ events, isWhole, onRoom }) {
  return html`${!isWhole && html`<p class="soft">What happens on the node that answers. Other nodes tell theirs.</p>`}<${Events} events=${events} onRoom=${onRoom} />`;
}

function Events({ events, onRoom }) {
  if (!events.length) return html`<${Empty} icon="live" title="Nothing yet">What happens from now on appears here: people and streams that come and go, logins that are refused.<//>`;
  return html`<ol class="activity" aria-label="What happened, the latest first">${events.map((event) => html`<${Line} key=${event.number} event=${event} onRoom=${onRoom} />`)}</ol>`;
}

function Line({ event, onRoom }) {
  const [word, kind] = WORDS[event.kind] ?? [event.kind, ""];
  return html`<li>
    <${Stamp} at=${event.at} />
    <${Badge} kind=${kind}>${word}<//>
    <span class="what">${event.user_id !== undefined && html`<${Mono}>${event.user_id}<//>`}
      ${event.stream_id && html` <span class="soft">stream</span> <${Mono}>${event.stream_id}<//>`}
      ${event.room_id && html` <span class="soft">in</span> <button type="button" class="link mono" onClick=${() => onRoom(event.room_id)}>${event.room_id}</button>`}</span>
    ${event.reason && html`<code>${event.reason}</code>`}
  </li>`;
}
