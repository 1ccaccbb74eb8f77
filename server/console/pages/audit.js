// What happened, by whom, to whom and how it ended: found by what it says, and handed out whole.

import { html, useMemo, useState } from "../lib/view.js";
import { download, get, url } from "../api.js";
import { secondsOf } from "../lib/time.js";
import { href, setQuery } from "../router.js";
import { Badge, Button, Dialog, Empty, Facts, Form, Moment, Mono, PageHead, PagedTable, Select, Stamp, Text, toast, usePages } from "../ui/kit.js";
import { ACTIONS } from "./audit/actions.js";

export const title = "Audit trail";

const PAGE = 50;
const RESULTS = [["", "Any"], ["done", "Done"], ["refused", "Refused"], ["failed", "Failed"]];
const TEXTS = [["user_id", "User"], ["room_id", "Room"], ["actor", "By whom", "key:… or admin:…"], ["reason", "Reason, exactly"], ["token_id", "Token id"], ["request_id", "Request"]];
const NAMES = ["since", "until", "action", "result", ...TEXTS.map(([name]) => name), "app_id"];

export default function Audit({ params, query }) {
  const { appId } = params;
  const filter = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
  const [open, setOpen] = useState();
  const path = appId === undefined ? "/v1/audit" : url`/v1/apps/${appId}/audit`;
  const asked = { ...filter, since: secondsOf(filter.since), until: secondsOf(filter.until) };
  const load = async (cursor) => {
    const { records, cursor: next } = await get(path, { ...asked, limit: PAGE, cursor });
    return { rows: records, cursor: next };
  };
  const pages = usePages(load, [path, asked]);
  const isFiltered = NAMES.some((name) => filter[name]);
  const save = async () => {
    try {
      hand(await download(`${path}/export`, asked), `audit${appId === undefined ? "" : `-${appId}`}.ndjson`);
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  return html`
    <${PageHead} title="Audit trail" about="Who did what, to whom, and how it ended. Records are chained by hashes: one that was edited or taken out is found by roompass audit verify.">
      <${Button} icon="download" onClick=${save}>Export ${isFiltered ? "what is found" : "all of it"}<//>
    <//>
    <${Filter} key=${JSON.stringify(filter)} filter=${filter} isFiltered=${isFiltered} ofAll=${appId === undefined} />
    <${PagedTable} label="Records" pages=${pages} columns=${columns(appId === undefined, setOpen)} keyOf=${({ record }) => record}
      empty=${isFiltered ? html`<${Empty} icon="search" title="No record fits">Ids and reasons must match exactly.<//>` : html`<${Empty} icon="audit" title="Nothing yet">Mints, logins and changes appear here within a second.<//>`} />
    ${open && html`<${Record} record=${open} onClose=${() => setOpen(undefined)} />`}`;
}

function Filter({ filter, isFiltered, ofAll }) {
  const [values, setValues] = useState(filter);
  const set = (name) => (value) => setValues({ ...values, [name]: value });
  const texts = ofAll ? [...TEXTS, ["app_id", "AppID"]] : TEXTS;
  // On a narrow screen the records come first.
  const isOpen = useMemo(() => isFiltered || matchMedia("(min-width: 44rem)").matches, []);
  return html`<details class="card filter" open=${isOpen}><summary>Find records</summary><${Form} label="Find records" onSend=${() => setQuery(values)}>
    <div class="four">
      <${Select} label="What" value=${values.action} onValue=${set("action")} options=${[["", "Anything"], ...ACTIONS]} />
      <${Select} label="How it ended" value=${values.result} onValue=${set("result")} options=${RESULTS} />
      <${Text} label="From" type="datetime-local" value=${values.since} onValue=${set("since")} />
      <${Text} label="Until" type="datetime-local" value=${values.until} onValue=${set("until")} />
      ${texts.map(([name, label, placeholder]) => html`<${Text} key=${name} label=${label} placeholder=${placeholder} mono value=${values[name]} onValue=${set(name)} maxlength="512" />`)}
    </div>
    <div class="row"><${Button} type="submit" kind="primary" icon="search">Find<//>
      ${isFiltered && html`<${Button} kind="quiet" onClick=${() => setQuery(Object.fromEntries(NAMES.map((name) => [name, ""])))}>Show everything<//>`}</div>
  <//></details>`;
}

const RESULT_KINDS = { done: "good", refused: "bad", failed: "warn" };

function columns(ofAll, open) {
  const all = [
    { label: "When", cell: ({ at }) => html`<${Stamp} at=${at} />` },
    { label: "What", cell: ({ action }) => nameOf(action) },
    { label: "Ended", cell: ({ result, reason }) => html`<span class="row tight"><${Badge} kind=${RESULT_KINDS[result]}>${result}<//>${reason && html`<code>${reason}</code>`}</span>` },
    { label: "By", cell: ({ actor }) => html`<${Mono}>${actor}<//>` },
    ofAll && { label: "App", cell: ({ app_id }) => (app_id === undefined ? html`<span class="soft">none</span>` : html`<a href=${href(`/apps/${app_id}`)}>${app_id}</a>`) },
    { label: "About", cell: (record) => html`<${About} record=${record} />` },
    { label: "Actions", bare: true, end: true, cell: (record) => html`<${Button} small label=${`Details of record ${record.record}`} onClick=${() => open(record)}>Details<//>` },
  ];
  return all.filter(Boolean);
}

function About({ record: { user_id, room_id, target } }) {
  const parts = [user_id !== undefined && ["user", user_id], room_id !== undefined && ["room", room_id], target !== undefined && ["", target]].filter(Boolean);
  if (!parts.length) return html`<span class="soft">–</span>`;
  return html`<span class="row tight">${parts.map(([what, value]) => html`<span key=${what}>${what && html`<span class="soft">${what}</span> `}<${Mono}>${value}<//></span>`)}</span>`;
}

const nameOf = (action) => ACTIONS.find(([of]) => of === action)?.[1] ?? action;

function Record({ record, onClose }) {
  const mono = (value) => (value === undefined ? undefined : html`<${Mono}>${value}<//>`);
  return html`<${Dialog} title=${`Record ${record.record}`} wide onClose=${onClose}><div class="body">
    <${Facts} facts=${[
      ["When", html`<${Moment} at=${record.at} />`],
      ["What", nameOf(record.action)],
      ["Ended", html`<${Badge} kind=${RESULT_KINDS[record.result]}>${record.result}<//>`],
      ["Reason", mono(record.reason)],
      ["By", mono(record.actor)],
      ["From", mono(record.source)],
      ["App", mono(record.app_id)],
      ["User", mono(record.user_id)],
      ["Room", mono(record.room_id)],
      ["Token id", mono(record.token_id)],
      ["Other subject", mono(record.target)],
      ["Rights", mono(record.rights)],
      ["Ends", record.expire_at === undefined ? undefined : html`<${Moment} at=${record.expire_at} />`],
      ["Session", mono(record.session_id)],
      ["Request", mono(record.request_id)],
      ["Details", record.details],
      ["Hash", mono(record.hash)],
    ]} />
  </div><//>`;
}

/** Hands a file to the browser to be kept. */
function hand(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
