// Dialogs that revoke and ban.

import { html, useState } from "../../lib/view.js";
import { post, url } from "../../api.js";
import { useAct } from "../../lib/act.js";
import { now } from "../../lib/time.js";
import { Button, Dialog, Fault, Form, Length, Note, Select, Text, errorAt, toast } from "../../ui/kit.js";

const BANNED = [["user", "A user, from every room"], ["user_in_room", "A user, from one room"], ["room", "Everybody, from one room"], ["ip_range", "Whoever comes from addresses"]];
const REVOKED = [["token", "One token, by its id"], ["pasted", "One token, pasted"], ["user", "All tokens of a user"], ["user_in_room", "A user's tokens for one room"], ["room", "All tokens for a room"], ["app", "All tokens of the app"]];

/** What the fields of a kind are. */
const FIELDS = { token: ["token_id"], pasted: ["token"], user: ["user_id"], user_in_room: ["user_id", "room_id"], room: ["room_id"], ip_range: ["ip_range"], app: [] };
const LABELS = { token_id: ["Token id", "As the audit trail and the workbench name it; never the token itself."], token: ["Token", "It is sent to this server, in the body of the request, and kept nowhere."], user_id: ["User"], room_id: ["Room"], ip_range: ["Addresses", "One, or a range such as 203.0.113.0/24."] };

function Fields({ kind, values, set, error }) {
  return html`<div class="two">${FIELDS[kind].map((name) => html`<${Text} key=${name} label=${LABELS[name][0]} hint=${LABELS[name][1]} mono value=${values[name] ?? ""} onValue=${(value) => set({ ...values, [name]: value })} error=${errorAt(error, name)} />`)}</div>`;
}

const of = (kind, values) => Object.fromEntries(FIELDS[kind].map((name) => [name, values[name]]));
const isWhole = (kind, values) => FIELDS[kind].every((name) => values[name]);

export function BanForm({ appId, onDone, onClose }) {
  const [kind, setKind] = useState("user");
  const [values, setValues] = useState({});
  const [secs, setSecs] = useState(86_400);
  const [reason, setReason] = useState("");
  const { run, busy, error } = useAct(async () => {
    await post(url`/v1/apps/${appId}/bans`, { ...of(kind, values), duration_secs: secs, reason: reason || undefined });
    toast("The ban holds, and whoever it hits is out.");
    onDone();
  });
  return html`<${Dialog} title="Ban somebody" onClose=${onClose}><${Form} label="Ban" onSend=${() => isWhole(kind, values) && run()}>
    <${Select} label="Whom" value=${kind} options=${BANNED} onValue=${setKind} />
    <${Fields} kind=${kind} values=${values} set=${setValues} error=${error} />
    <${Length} label="For" optional seconds=${secs} onValue=${setSecs} hint="Until lifted, if left out." error=${errorAt(error, "duration_secs")} />
    <${Text} label="Reason" optional value=${reason} onValue=${setReason} maxlength="255" error=${errorAt(error, "reason")} />
    ${error && html`<${Fault} error=${error} />`}
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind="danger" busy=${busy} disabled=${!isWhole(kind, values)}>Ban<//></footer>
  <//><//>`;
}

export function RevokeForm({ appId, onDone, onClose }) {
  const [kind, setKind] = useState("user");
  const [values, setValues] = useState({});
  const [reason, setReason] = useState("");
  const [sure, setSure] = useState("");
  const [age, setAge] = useState();
  const isOne = kind === "token" || kind === "pasted";
  const isOld = !isOne && age !== undefined;
  const { run, busy, error } = useAct(async () => {
    await post(url`/v1/apps/${appId}/tokens/revoke`, { ...of(kind, values), whole_app: kind === "app" || undefined, issued_before: isOld ? now() - age : undefined, reason: reason || undefined });
    toast("Revoked: those tokens are ended, here and on every node.");
    onDone();
  });
  const isReady = isWhole(kind, values) && (kind !== "app" || sure === String(appId));
  return html`<${Dialog} title="Revoke tokens" onClose=${onClose}><${Form} label="Revoke" onSend=${() => isReady && run()}>
    <${Select} label="Which" value=${kind} options=${REVOKED} onValue=${setKind} />
    <${Fields} kind=${kind} values=${values} set=${setValues} error=${error} />
    <${Text} label="Reason" optional value=${reason} onValue=${setReason} maxlength="255" error=${errorAt(error, "reason")} />
    ${!isOne && html`<${Length} label="Only those issued longer ago than" optional seconds=${age} onValue=${setAge} hint="All that have been issued, if left out." error=${errorAt(error, "issued_before")} />`}
    <${Note} kind="warn">This cannot be taken back. Sessions that go by these tokens end now; ${isOne ? "the token is never good again." : isOld ? "tokens issued later stay good." : "tokens issued from now on are good."}<//>
    ${kind === "app" && html`<${Text} label=${`Type ${appId} to confirm`} mono value=${sure} onValue=${setSure} />`}
    ${error && html`<${Fault} error=${error} />`}
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind="danger" busy=${busy} disabled=${!isReady}>Revoke<//></footer>
  <//><//>`;
}
