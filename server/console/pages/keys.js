// Backend keys: who calls the API in the app's name, and how far each reaches.

import { html, useState } from "../lib/view.js";
import { get, post, remove, url } from "../api.js";
import { can } from "../session.js";
import { Badge, Button, Check, Checks, Choices, Code, Dialog, Empty, Fault, Form, Length, Mono, Note, PageHead, PagedTable, Search, Select, Text, When, confirm, errorAt, toast, usePages } from "../ui/kit.js";
import { RIGHTS, choices } from "../lib/words.js";
import { duration, now } from "../lib/time.js";

export const title = "Backend keys";

const PAGE = 50;

const FIELDS = ["name", "rights", "room_prefix", "max_ttl_secs", "max_per_second", "expire_at", "privileges"];

export default function Keys({ app }) {
  const mayChange = can("admin", app.app_id);
  const [search, setSearch] = useState("");
  const [making, setMaking] = useState(false);
  const pages = usePages(async (cursor) => {
    const { keys, cursor: next } = await get(url`/v1/apps/${app.app_id}/keys`, { limit: PAGE, cursor, search });
    return { rows: keys, cursor: next };
  }, [app.app_id, search]);
  const make = mayChange && html`<${Button} kind="primary" icon="plus" onClick=${() => setMaking(true)}>New key<//>`;
  return html`
    <${PageHead} title="Backend keys" about="Each of your servers gets a key of its own, with no more rights than it needs.">${make}<//>
    <div class="row"><${Search} label="Search by name or id" value=${search} onValue=${setSearch} /></div>
    <${PagedTable} label="Backend keys" pages=${pages} keyOf=${({ key_id }) => key_id} columns=${[
      { label: "Name", wide: true, sort: ({ name }) => name, cell: (key) => html`<b>${key.name}</b> ${key.signed && html`<${Badge}>signs requests<//>`}` },
      { label: "Id", cell: ({ key_id }) => html`<${Mono}>${key_id}<//>` },
      { label: "May", cell: ({ rights }) => html`<span class="row tight">${rights.map((right) => html`<${Badge} key=${right} kind=${right === "admin" ? "warn" : undefined}>${right}<//>`)}</span>` },
      { label: "Bound to", cell: bounds },
      { label: "Last used", sort: ({ last_used_at }) => last_used_at ?? 0, cell: ({ last_used_at }) => html`<${When} at=${last_used_at} />` },
      { label: "Ends", cell: ({ expire_at }) => html`<${When} at=${expire_at} />` },
      ...(mayChange ? [{ label: "Actions", bare: true, end: true, cell: (key) => html`<${Revoke} app=${app} keyed=${key} reload=${pages.reload} />` }] : []),
    ]} empty=${search ? html`<${Empty} icon="search" title="No key fits">None has “${search}” in its name, or an id that begins so.<//>` : html`<${Empty} icon="key" title="No keys yet" action=${make}>A backend needs one to mint tokens by the API.<//>`} />
    ${making && html`<${Make} app=${app} onClose=${() => setMaking(false)} onMade=${pages.reload} />`}`;
}

function bounds({ room_prefix, privileges, max_ttl_secs, max_per_second }) {
  const all = [
    room_prefix && html`rooms <${Mono}>${room_prefix}…<//>`,
    privileges.length < 2 && (privileges[0] ? `${privileges[0]} only` : "no privileges"),
    max_ttl_secs && `tokens of ${duration(max_ttl_secs)}`,
    max_per_second && `${max_per_second} a second`,
  ].filter(Boolean);
  return all.length ? all.map((one, at) => html`${at > 0 && ", "}${one}`) : html`<span class="soft">nothing</span>`;
}

function Revoke({ app, keyed, reload }) {
  const recent = keyed.last_used_at && now() - keyed.last_used_at < 86_400;
  const revoke = () => confirm({
    title: `End the key “${keyed.name}”?`,
    body: html`<p>Whoever uses it is refused from now on. ${recent && html`<b>It was used within the last day.</b>`} This cannot be taken back.</p>`,
    yes: "End the key",
    type: recent ? keyed.name : undefined,
    act: async () => {
      await remove(url`/v1/apps/${app.app_id}/keys/${keyed.key_id}`);
      toast(`The key “${keyed.name}” has ended.`);
      reload();
    },
  });
  return html`<${Button} small onClick=${revoke}>End<//>`;
}

function Make({ app, onClose, onMade }) {
  const [name, setName] = useState("");
  const [rights, setRights] = useState(["mint"]);
  const [roomPrefix, setRoomPrefix] = useState("");
  const [privileges, setPrivileges] = useState("both");
  const [ttl, setTtl] = useState();
  const [rate, setRate] = useState("");
  const [life, setLife] = useState();
  const [signed, setSigned] = useState(false);
  const [made, setMade] = useState();
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    setError(undefined);
    try {
      setMade(await post(url`/v1/apps/${app.app_id}/keys`, {
        name,
        rights,
        signed,
        ...(roomPrefix && { room_prefix: roomPrefix }),
        ...(privileges !== "both" && { privileges: [privileges] }),
        ...(ttl && { max_ttl_secs: ttl }),
        ...(rate && { max_per_second: Number(rate) }),
        ...(life && { expire_at: now() + life }),
      }));
      onMade();
    } catch (fault) {
      setError(fault);
    }
    setBusy(false);
  };
  if (made) return html`<${Made} made=${made} signed=${signed} name=${name} app=${app} onClose=${onClose} />`;
  const at = (field) => errorAt(error, field);
  return html`<${Dialog} title="New backend key" wide onClose=${onClose}><${Form} onSend=${send} label="New backend key">
    <${Text} label="Name" hint="Where it is used, such as “chat backend, production”." value=${name} onValue=${setName} error=${at("name")} maxlength="255" autofocus />
    <${Checks} legend="It may" value=${rights} onValue=${setRights} options=${choices(RIGHTS)} error=${at("rights")} />
    <details><summary>Narrow it further</summary><div class="form">
      <div class="two">
        <${Text} label="Rooms that begin with" optional value=${roomPrefix} onValue=${setRoomPrefix} error=${at("room_prefix")} mono />
        <${Select} label="Its tokens may carry" value=${privileges} onValue=${setPrivileges} options=${[["both", "login and publish"], ["login", "login only"], ["publish", "publish only"]]} error=${at("privileges")} />
        <${Length} label="Its tokens live at most" optional seconds=${ttl} onValue=${setTtl} units=${["min", "h", "d"]} error=${at("max_ttl_secs")} />
        <${Text} label="Requests a second at most" optional value=${rate} onValue=${(text) => setRate(text.replace(/\D/g, ""))} inputmode="numeric" error=${at("max_per_second")} />
        <${Length} label="The key ends after" optional seconds=${life} onValue=${setLife} units=${["h", "d"]} error=${at("expire_at")} />
      </div></div></details>
    <${Choices} legend="How it is shown" value=${signed ? "signed" : "bearer"} onValue=${(value) => setSigned(value === "signed")} options=${[
      ["bearer", "In a header", "Simple, and good over TLS."],
      ["signed", "By signing each request", "The key itself never travels; each request is good once, for a minute."],
    ]} />
    ${error && !FIELDS.some((field) => at(field)) && html`<${Fault} error=${error} />`}
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind="primary" busy=${busy} disabled=${!name.trim() || rights.length === 0}>Make the key<//></footer>
  <//><//>`;
}

function Made({ made, signed, name, app, onClose }) {
  const [kept, setKept] = useState(false);
  const tryIt = `curl ${location.origin}/v1/apps/${app.app_id}/tokens \\\n  -H "Authorization: Bearer $ROOMPASS_BACKEND_KEY" \\\n  -H 'Content-Type: application/json' \\\n  -d '{"user_id":"alice","room_id":"room1"}'`;
  return html`<${Dialog} title=${`The key “${name}”`} wide fixed onClose=${onClose}><div class="stack">
    <${Note} kind="warn">This is the only time that it is shown.<//>
    <${Code} label="Backend key" text=${made.backend_key} />
    ${signed ? html`<p class="soft">Requests are signed as the <a href="/docs" target="_blank">reference of the API</a> says.</p>` : html`<details><summary>Try it</summary><${Code} label="command" text=${tryIt} lines /></details>`}
    <${Check} label="I have put it where my backend finds it." checked=${kept} onValue=${setKept} />
    <footer class="actions"><${Button} kind="primary" disabled=${!kept} onClick=${onClose}>Done<//></footer>
  </div><//>`;
}
