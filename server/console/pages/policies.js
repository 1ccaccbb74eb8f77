// Everything that is set for an app besides its mode: formats, lifetimes, what happens at expiry, rooms, pages.

import { html, useLayoutEffect, useState } from "../lib/view.js";
import { guard } from "../router.js";
import { can } from "../session.js";
import { Area, Button, Card, Check, Checks, Choices, Fault, Form, Length, Note, PageHead, Text, confirm, errorAt, toast } from "../ui/kit.js";
import { FORMATS, choices } from "../lib/words.js";
import { now } from "../lib/time.js";
import { change } from "./overview.js";

export const title = "Formats and policies";

const PRIVILEGES = [["login", "Log in"], ["publish", "Publish"]];
const DAY = 86_400;

export default function Policies({ app, setApp }) {
  const mayChange = can("admin", app.app_id);
  const [edits, setEdits] = useState({});
  // What is not touched here follows the app, whoever changes it.
  const draft = { ...app.settings, ...edits };
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const changes = Object.fromEntries(Object.entries(edits).filter(([name, value]) => JSON.stringify(value ?? null) !== JSON.stringify(app.settings[name] ?? null)));
  const isChanged = Object.keys(changes).length > 0;
  useLayoutEffect(() => {
    guard(isChanged ? () => window.confirm("Leave without saving?") : undefined);
    return () => guard();
  }, [isChanged]);
  const set = (name) => (value) => setEdits((edits) => ({ ...edits, [name]: value }));
  const at = (name) => errorAt(error, name) ?? errorAt(error, `settings.${name}`);
  const usesCbc = draft.formats.some((format) => format !== "token04_gcm");
  const addsCbc = usesCbc && ("formats" in changes || "cbc_policy" in changes || "cbc_until" in changes);
  const apply = async () => {
    const before = Object.fromEntries(Object.keys(changes).map((name) => [name, app.settings[name] ?? null]));
    const changed = await change(app, setApp, changes, addsCbc ? { acknowledge_cbc: true } : {});
    guard();
    setEdits({});
    toast("Saved.", { undo: () => change(changed, setApp, before, { acknowledge_cbc: true }) });
    return changed;
  };
  const save = async () => {
    setError(undefined);
    if (addsCbc) {
      return confirm({ title: "Take tokens without authentication?", body: "AES-CBC hides what a token says and does not prove who wrote it. Take it only for clients that cannot do otherwise, and only as long as they are around.", yes: "Take them", act: () => apply().catch((fault) => { setError(fault); throw fault; }) });
    }
    setBusy(true);
    await apply().catch(setError);
    setBusy(false);
  };
  const common = { set, at, draft, disabled: !mayChange };
  return html`
    <${PageHead} title="Formats and policies" about="Changes hold at once for whatever is judged next, on every node within two seconds." />
    <${Form} onSend=${save} label="Formats and policies">
      <fieldset disabled=${!mayChange} class="stack"><legend class="hidden">Settings</legend>
        <${Formats} ...${common} usesCbc=${usesCbc} />
        <${Lifetimes} ...${common} />
        <${Rights} ...${common} />
        <${Rooms} ...${common} />
      </fieldset>
      ${error && !at(error.field?.replace("settings.", "")) && html`<${Fault} error=${error} />`}
      ${mayChange && isChanged && html`<div class="save-bar"><span role="status">${Object.keys(changes).length} ${Object.keys(changes).length === 1 ? "setting is" : "settings are"} not saved</span>
        <span class="actions"><${Button} onClick=${() => { setEdits({}); setError(undefined); }}>Discard<//><${Button} kind="primary" type="submit" busy=${busy}>Save<//></span></div>`}
    <//>`;
}

function Formats({ set, at, draft, usesCbc }) {
  const pick = (formats) => {
    set("formats")(formats);
    const cbc = formats.some((format) => format !== "token04_gcm");
    if (!cbc) (set("cbc_policy")("off"), set("cbc_until")(null));
    else if (draft.cbc_policy === "off") set("cbc_policy")("issued_only");
  };
  const rule = (policy) => {
    set("cbc_policy")(policy);
    set("cbc_until")(policy === "offline" ? now() + 30 * DAY : null);
  };
  return html`<${Card} title="Formats">
    <${Checks} legend="Mint and take" value=${draft.formats} onValue=${pick} options=${choices(FORMATS)} error=${at("formats")} />
    ${usesCbc && html`<${Note} kind="warn" title="CBC tokens are not authenticated">They need a secret of their own: rotate with the purpose CBC once, if there is none.<//>
      <${Choices} legend="Of CBC tokens, take" value=${draft.cbc_policy} onValue=${rule} error=${at("cbc_policy")} options=${[
        ["issued_only", "Those that were minted here", "Exactly as they were minted: a changed one is found."],
        ["offline", "Those of generators elsewhere too", "Until a date, at most 90 days ahead. Whoever can change a token under way can change what it says."],
        ["off", "None", "The formats must then be off too."],
      ]} />
      ${draft.cbc_policy === "offline" && html`<${Length} label="For another" seconds=${Math.max(0, Math.round(((draft.cbc_until ?? now()) - now()) / DAY)) * DAY} onValue=${(seconds) => set("cbc_until")(now() + (seconds ?? 0))} units=${["d"]} error=${at("cbc_until")} />`}`}
  <//>`;
}

function Lifetimes({ set, at, draft, disabled }) {
  const length = (name, label, hint, units) => html`<${Length} label=${label} hint=${hint} seconds=${draft[name]} onValue=${set(name)} units=${units} error=${at(name)} disabled=${disabled} />`;
  return html`<${Card} title="Lifetimes and expiry">
    <div class="two form">
      ${length("default_ttl_secs", "A token lives", "If its mint asks for nothing else.", ["min", "h", "d"])}
      ${length("max_ttl_secs", "At most", "Longer ones are neither minted nor taken; 24 days at most.", ["min", "h", "d"])}
      ${length("will_expire_lead_secs", "Warn before expiry", "5 to 300 seconds; never more than half of a token's life.", ["s", "min"])}
    </div>
    <${Choices} legend="When the token of somebody in a room expires" value=${draft.on_expiry} onValue=${set("on_expiry")} error=${at("on_expiry")} options=${[
      ["soft", "They stay", "What runs goes on; the next login, publish or play is refused."],
      ["stop_publish", "Their streams stop", "They stay and listen."],
      ["strict", "They are removed", "After the grace below."],
    ]} />
    ${draft.on_expiry === "strict" && length("expiry_grace_secs", "Grace", "Up to an hour.", ["s", "min"])}
    <${Choices} legend="When a token is renewed with other rights" value=${draft.on_renew} onValue=${set("on_renew")} error=${at("on_renew")} options=${[
      ["keep", "They hold from the next operation", "What runs goes on."],
      ["enforce", "They hold at once", "What the new token does not allow is stopped."],
    ]} />
  <//>`;
}

function Rights({ set, at, draft, disabled }) {
  return html`<${Card} title="Who may do what">
    <${Check} label="Identity tokens are refused" hint="Every token must then name its room and privileges." checked=${draft.require_privilege_token} onValue=${set("require_privilege_token")} />
    ${!draft.require_privilege_token && html`<${Checks} legend="An identity token may" value=${draft.identity_privileges} onValue=${set("identity_privileges")} options=${PRIVILEGES} error=${at("identity_privileges")} />
      <${Check} label="An identity token lets its user play" checked=${draft.identity_play} onValue=${set("identity_play")} />`}
    <${Choices} legend="A token minted elsewhere with an empty stream list" value=${draft.empty_stream_list} onValue=${set("empty_stream_list")} error=${at("empty_stream_list")} options=${[
      ["none", "May publish no stream", "The safe reading."],
      ["any", "May publish any stream", "As some generators mean it."],
    ]} />
    <${Check} label="An AppSign proof lets clients in" hint="As far as the mode takes it." checked=${draft.app_sign_enabled} onValue=${set("app_sign_enabled")} />
    ${at("app_sign_enabled") && html`<p class="error" role="alert">${at("app_sign_enabled")}</p>`}
    ${draft.app_sign_enabled && html`<${Checks} legend="By AppSign alone, a client may" value=${draft.app_sign_privileges} onValue=${set("app_sign_privileges")} options=${PRIVILEGES} error=${at("app_sign_privileges")} />
      <${Check} label="By AppSign alone, a client may play" checked=${draft.app_sign_play} onValue=${set("app_sign_play")} />
      <${Text} label="Oldest SDK that may log in by AppSign" optional hint="Such as 2.17.0. Keeps old builds out, not attackers." value=${draft.app_sign_min_sdk ?? ""} onValue=${(text) => set("app_sign_min_sdk")(text || null)} error=${at("app_sign_min_sdk")} disabled=${disabled} mono />`}
    <${Choices} legend="When both credentials are shown, in Token preferred" value=${draft.both_credentials} onValue=${set("both_credentials")} error=${at("both_credentials")} options=${[
      ["either", "Either lets in", "A good AppSign proof makes up for a token that fails."],
      ["token_decides", "The token decides", "A token that fails is refused, whatever else is shown."],
    ]} />
  <//>`;
}

function Rooms({ set, at, draft, disabled }) {
  const number = (name, label, hint) => html`<${Text} label=${label} hint=${hint} value=${String(draft[name])} onValue=${(text) => set(name)(Number(text.replace(/\D/g, "")))} error=${at(name)} inputmode="numeric" disabled=${disabled} />`;
  const origins = (draft.allowed_origins ?? []).join("\n");
  return html`<${Card} title="Rooms and pages">
    <div class="two form">
      ${number("max_room_users", "Users in a room", "At most; 0 is no limit.")}
      ${number("room_logins_per_sec", "Logins a second", "To one room, at most; 0 is no limit.")}
      <${Length} label="Kept when lost" hint="The place of a connection, up to 10 minutes from its last sign of life." seconds=${draft.heartbeat_timeout_secs} onValue=${set("heartbeat_timeout_secs")} units=${["s", "min"]} error=${at("heartbeat_timeout_secs")} disabled=${disabled} />
      <${Length} label="An empty room is kept for" hint="Up to 30 minutes." seconds=${draft.empty_room_ttl_secs} onValue=${set("empty_room_ttl_secs")} units=${["s", "min"]} error=${at("empty_room_ttl_secs")} disabled=${disabled} />
    </div>
    <${Choices} legend="When a user who is in a room logs in again" value=${draft.duplicate_login} onValue=${set("duplicate_login")} error=${at("duplicate_login")} options=${[
      ["newest_wins", "The earlier session ends", "As when somebody changes the device."],
      ["refuse_newcomer", "The newcomer is refused", "Until the earlier one has left."],
    ]} />
    <${Area} label="Origins of web pages" optional hint="One a line, such as https://app.example.com. Native clients have none and are not concerned." value=${origins} onValue=${(text) => set("allowed_origins")(text.split("\n").map((line) => line.trim()).filter((line, at, all) => line || at === all.length - 1).filter((line) => line !== ""))} error=${at("allowed_origins")} rows=${3} disabled=${disabled} mono />
  <//>`;
}
