// Mints a token to try things with.

import { html, useState } from "../../lib/view.js";
import { post, url } from "../../api.js";
import { useAct } from "../../lib/act.js";
import { Button, Check, Checks, Dialog, Fault, Form, Length, Select, Text, errorAt } from "../../ui/kit.js";

const PRIVILEGES = [["login", "Log in", "Enter the room."], ["publish", "Publish", "Send streams there."]];
const EXPIRY = [["", "As the app says"], ["keep", "Stay, streams go on"], ["stop_publish", "Stay, streams stop"], ["kick", "Be removed"]];

/** A token for trying things out need not live longer, in seconds. */
const MOST = 86_400;

export function Mint({ appId, app, onDone, onClose }) {
  const [user, setUser] = useState("");
  const [room, setRoom] = useState("");
  const [privileges, setPrivileges] = useState(["login", "publish"]);
  const [streams, setStreams] = useState("");
  const [ttl, setTtl] = useState(Math.min(3600, app.settings.max_ttl_secs));
  const [name, setName] = useState("");
  const [kit, setKit] = useState(false);
  const [onExpiry, setOnExpiry] = useState("");
  const [once, setOnce] = useState(false);
  const { run, busy, error } = useAct(async () => {
    const streamIds = streams.split(/[\s,]+/).filter(Boolean);
    const terms = { on_expiry: onExpiry || undefined, single_use: once || undefined };
    const ofRoom = room && { room_id: room, privileges, stream_ids: streamIds.length ? streamIds : undefined, kit: kit || undefined, terms: onExpiry || once ? terms : undefined };
    onDone(await post(url`/v1/apps/${appId}/tokens`, { user_id: user, ttl_secs: ttl, user_name: name || undefined, ...ofRoom }));
  });
  const tooLong = ttl > MOST && "At most a day: a backend mints what is to live longer.";
  const missing = !user || (room && !privileges.length) || Boolean(tooLong);
  return html`<${Dialog} title="Mint a token" wide onClose=${onClose}>
    <${Form} onSend=${() => missing || run()} label="Mint a token">
      <p>For trying things out: it is as good as any, and stands in the audit trail under your name.</p>
      <div class="two">
        <${Text} label="User" autofocus mono value=${user} onValue=${setUser} maxlength="64" error=${errorAt(error, "user_id")} />
        <${Text} label="Room" optional mono value=${room} onValue=${setRoom} maxlength="128" hint="Without one it is an identity token, without rights of its own." error=${errorAt(error, "room_id")} />
      </div>
      ${room && html`<${Checks} legend="Grants" value=${privileges} onValue=${setPrivileges} options=${PRIVILEGES} error=${errorAt(error, "privileges")} />`}
      ${room && privileges.includes("publish") && html`<${Text} label="Streams" optional mono value=${streams} onValue=${setStreams} hint="Which it may publish, with blanks between; any, if left out." error=${errorAt(error, "stream_ids")} />`}
      <div class="two">
        <${Length} label="Good for" seconds=${ttl} onValue=${setTtl} hint="At most a day, and no longer than the app allows." error=${tooLong || errorAt(error, "ttl_secs")} />
        <${Text} label="Display name" optional value=${name} onValue=${setName} maxlength="255" error=${errorAt(error, "user_name")} />
      </div>
      ${room && html`<div class="two">
        <${Select} label="At its expiry the user is to" value=${onExpiry} onValue=${setOnExpiry} options=${EXPIRY} error=${errorAt(error, "terms")} />
        <div class="stack"><${Check} label="Lets its user in once" checked=${once} onValue=${setOnce} />
        <${Check} label="As a Kit Token too" hint="With room, user and name readable beside it." checked=${kit} onValue=${setKit} /></div>
      </div>`}
      ${error && html`<${Fault} error=${error} />`}
      <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind="primary" disabled=${missing} busy=${busy}>Mint<//></footer>
    <//>
  <//>`;
}
