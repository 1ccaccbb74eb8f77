// What the server says of a token, with the app's secrets: whether it would let somebody in now, and what to change.

import { html, useState } from "../../lib/view.js";
import { post, url } from "../../api.js";
import { useAct } from "../../lib/act.js";
import { exactMoment } from "../../lib/time.js";
import { Badge, Button, Card, Code, Facts, Fault, Form, Mono, Moment, Note, Text, errorAt } from "../../ui/kit.js";
import { TimeLine } from "./time-line.js";

export function Explain({ appId, app, seen, moment }) {
  const { text, kit } = seen;
  // The gateway takes the half before the `#`; the kits that read the other half send it so.
  const token = kit ? text.slice(0, text.indexOf("#")) : text;
  const [user, setUser] = useState(kit?.userId ?? "");
  const [room, setRoom] = useState(kit?.roomId ?? "");
  const [stream, setStream] = useState("");
  const [address, setAddress] = useState("");
  const [answer, setAnswer] = useState();
  const { run, busy, error } = useAct(async () => {
    setAnswer(undefined);
    const body = { token, user_id: user || undefined, room_id: room || undefined, stream_id: stream || undefined, ip_address: address || undefined };
    setAnswer(await post(url`/v1/apps/${appId}/tokens/explain`, body));
  });
  return html`<${Card} title="Would it let somebody in?" about="The server opens it with this app's secrets and tries it as the gateway would. Leave out what does not matter.">
    <${Form} onSend=${run} label="What is attempted with the token">
      <div class="four">
        <${Text} label="User" value=${user} onValue=${setUser} placeholder="who logs in" error=${errorAt(error, "user_id")} mono />
        <${Text} label="Room" value=${room} onValue=${setRoom} placeholder="where to" error=${errorAt(error, "room_id")} mono />
        <${Text} label="Stream" value=${stream} onValue=${setStream} placeholder="to publish there" error=${errorAt(error, "stream_id")} mono />
        <${Text} label="Address" value=${address} onValue=${setAddress} placeholder="for bans of addresses" error=${errorAt(error, "ip_address")} mono />
      </div>
      ${error && !error.field && html`<${Fault} error=${error} />`}
      <div class="row"><${Button} type="submit" kind="primary" icon="workbench" busy=${busy}>Ask the server<//><span class="soft">This sends ${kit ? "the half before the #" : "the token"} to this server, in the body of the request.</span></div>
    <//>
    <div aria-live="polite">${answer && html`<${Answer} answer=${answer} app=${app} moment=${moment} />`}</div>
  <//>`;
}

function Answer({ answer, app, moment }) {
  const { admitted, code, findings, claims, server_time: at } = answer;
  return html`<div class="stack answer">
    <p class="verdict">${admitted ? html`<${Badge} kind="good">would be let in<//>` : html`<${Badge} kind="bad">would be refused<//>`}
      <span>${admitted ? "With this attempt, at this moment." : html`The client would be told <code>${code}</code>.`}</span>
      <span class="soft">Explained by the server with the app's secrets, at ${exactMoment(at)}.</span></p>
    ${findings.length > 0 && html`<ol class="findings" aria-label="What the server found">${findings.map((finding) => html`<li key=${finding.code}>
      <p class="problem"><b>${finding.problem}</b> <code>${finding.code}</code></p><p>${finding.remedy}</p></li>`)}</ol>`}
    ${claims?.issued_at !== undefined && claims.expire_at !== undefined && html`<${TimeLine} issuedAt=${claims.issued_at} expireAt=${claims.expire_at} lead=${app.settings.will_expire_lead_secs} moment=${moment} />`}
    ${answer.revoked_by && html`<${Note} kind="warn" title="Revoked">Revocation <code>${answer.revoked_by.revocation_id}</code> by ${answer.revoked_by.created_by}${answer.revoked_by.reason ? `: ${answer.revoked_by.reason}` : ""}.<//>`}
    ${answer.banned_by && html`<${Note} kind="warn" title="Banned">Ban <code>${answer.banned_by.ban_id}</code> by ${answer.banned_by.created_by}${answer.banned_by.reason ? `: ${answer.banned_by.reason}` : ""}.<//>`}
    ${claims ? html`<${Claims} answer=${answer} claims=${claims} />` : html`<p class="soft">What is inside could not be read with the secrets of this app, so nothing is told of it.</p>`}
  </div>`;
}

function Claims({ answer, claims }) {
  const several = (list) => list?.map((one, at) => html`<span key=${one}>${at > 0 && ", "}<${Mono}>${one}<//></span>`);
  const streams = claims.stream_ids ? several(claims.stream_ids) : claims.privileges && "any";
  const terms = Object.entries(claims.terms ?? {});
  return html`<section class="stack" aria-label="Claims"><h3>What it says</h3>
    <${Facts} facts=${[
      ["App", claims.app_id !== undefined && html`<${Mono}>${claims.app_id}<//>`],
      ["User", claims.user_id !== undefined && html`<${Mono}>${claims.user_id}<//>`],
      ["Issued", claims.issued_at !== undefined ? html`<${Moment} at=${claims.issued_at} />` : undefined],
      ["Expires", claims.expire_at !== undefined ? html`<${Moment} at=${claims.expire_at} />` : undefined],
      ["Kind", claims.privileges ? "privilege token" : "identity token"],
      ["Room", claims.room_id === undefined ? undefined : claims.room_id === "" ? "any" : html`<${Mono}>${claims.room_id}<//>`],
      ["Grants", claims.privileges && (claims.privileges.length ? claims.privileges.join(", ") : "nothing")],
      ["Streams", streams],
      ["Sealed by secret", answer.secret_id && html`<${Mono}>${answer.secret_id}<//>`],
      ["Token id", html`<${Mono}>${answer.token_id}<//>`],
      ...terms.map(([name, value]) => [`Term ${name}`, html`<${Mono}>${Array.isArray(value) ? value.join(", ") : String(value)}<//>`]),
    ]} />
    ${claims.payload && html`<${Code} label="Payload, as it was sealed" text=${claims.payload} />`}
  </section>`;
}
