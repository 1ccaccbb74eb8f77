// What a token shows without its secret, in words: what is wrong with it, its form, its end, its readable half.

import { html } from "../../lib/view.js";
import { duration } from "../../lib/time.js";
import { Badge, Button, Facts, Moment, Mono, Note } from "../../ui/kit.js";

const FORMATS = { "token04-gcm": "token04, AES-256-GCM", "token04-cbc": "token04, AES-256-CBC", token03: "token03, AES-256-CBC" };

/** Everything that is wrong with the form, with remedies; or that nothing is. */
export function Findings({ seen, use }) {
  if (!seen.findings.length) return html`<${Note} kind="good" title="In good form">Its bytes are where they belong. Whether it is genuine, and lets somebody in, only the server can say: it has the secret.<//>`;
  return html`<ul class="findings" aria-label="What is wrong with the text">${seen.findings.map(({ code, problem, remedy }) => html`<li key=${code}>
      <p class="problem"><b>${problem}</b> <code>${code}</code></p><p>${remedy}</p></li>`)}
    ${seen.repaired && html`<li class="repair"><p>What can be put right for certain has been: the bytes below are those of the text put right.</p>
      <${Button} small onClick=${() => use(seen.repaired)}>Go on with the text put right<//></li>`}</ul>`;
}

/** Form, end and readable half. */
export function Shown({ seen, moment }) {
  const { expireAt, kit, format, body } = seen;
  const left = expireAt === undefined ? undefined : expireAt - moment;
  const until = expireAt === undefined || Math.abs(expireAt) > 8e12
    ? undefined
    : html`<span class="row"><${Moment} at=${expireAt} />${left > 0 ? html`<${Badge} kind="good">${duration(left)} left<//>` : html`<${Badge} kind="bad">ended ${duration(-left)} ago<//>`}</span>`;
  return html`<${Facts} facts=${[
    ["Form", format ? FORMATS[format] : "of no known form"],
    ["Expiry in clear", until],
    ["Length", `${body.length} bytes in ${seen.text.length} characters`],
    ["Kit: app", kit && html`<${Mono}>${kit.appId}<//>`],
    ["Kit: user", kit && html`<${Mono}>${kit.userId}<//>`],
    ["Kit: room", kit && (kit.roomId === undefined ? html`<span class="soft">none named</span>` : html`<${Mono}>${kit.roomId}<//>`)],
    ["Kit: display name", kit && (kit.userName || html`<span class="soft">empty</span>`)],
  ]} />`;
}
