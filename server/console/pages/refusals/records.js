// Single refusals, and what each means.

import { html, useRef, useState } from "../../lib/view.js";
import { get, url } from "../../api.js";
import { useAgain } from "../../lib/every.js";
import { href } from "../../router.js";
import { Badge, Button, Dialog, Empty, Facts, Moment, Mono, Note, PagedTable, Stamp, usePages } from "../../ui/kit.js";

const PAGE = 25;

/**
 * Those from `since` to `until`, of one reason if one is `chosen`. The whole time goes on while somebody looks: then the
 * page of the list stays, and is asked for again at each `turn`.
 */
export function Records({ appId, since, until, isWhole, turn, chosen, reasons }) {
  const [open, setOpen] = useState();
  const path = appId === undefined ? "/v1/audit" : url`/v1/apps/${appId}/audit`;
  const times = useRef();
  times.current = { since, until };
  const load = async (cursor) => {
    const { records, cursor: next } = await get(path, { result: "refused", ...times.current, action: chosen?.action, reason: chosen?.reason, limit: PAGE, cursor });
    return { rows: records, cursor: next };
  };
  const pages = usePages(load, [path, isWhole || since, chosen?.action, chosen?.reason]);
  useAgain(pages, isWhole && turn);
  const meaning = (record) => reasons.find((one) => one.action === record.action && one.reason === record.reason);
  const columns = [
    { label: "When", cell: ({ at }) => html`<${Stamp} at=${at} />` },
    !chosen && { label: "Why", wide: true, cell: (record) => html`<${Badge}>${record.action}<//> ${meaning(record)?.title ?? record.reason} <code>${record.reason}</code>` },
    { label: "User", cell: ({ user_id }) => (user_id === undefined ? html`<span class="soft">unknown</span>` : html`<${Mono}>${user_id}<//>`) },
    chosen && { label: "From", cell: ({ source }) => (source === undefined ? html`<span class="soft">unknown</span>` : html`<${Mono}>${source}<//>`) },
    { label: "Room", cell: ({ room_id }) => (room_id === undefined ? html`<span class="soft">none</span>` : html`<${Mono}>${room_id}<//>`) },
    { label: "Actions", bare: true, end: true, cell: (record) => html`<${Button} small label=${`Explain the refusal of ${record.user_id ?? record.actor}`} onClick=${() => setOpen(record)}>Explain<//>` },
  ].filter(Boolean);
  return html`<${PagedTable} label="Refusals" pages=${pages} columns=${columns} keyOf=${({ record }) => record} empty=${html`<${Empty} icon="check" title="None in this time" />`} />
    ${open && html`<${Refusal} record=${open} meaning=${meaning(open)} onClose=${() => setOpen(undefined)} />`}`;
}

function Refusal({ record, meaning, onClose }) {
  const root = record.app_id === undefined ? undefined : `/apps/${record.app_id}`;
  const trail = root && record.user_id !== undefined && href(`${root}/audit?${new URLSearchParams({ user_id: record.user_id })}`);
  const mono = (value) => value !== undefined && html`<${Mono}>${value}<//>`;
  const told = record.details && record.action === "login" ? html`<code>${record.details}</code>` : undefined;
  return html`<${Dialog} title=${`${word(record.action)} refused`} wide onClose=${onClose}>
    <div class="body">
      <${Note} kind="bad" title=${meaning?.title ?? record.reason}>${plain(meaning?.remedy)}<//>
      <${Facts} facts=${[
        ["When", html`<${Moment} at=${record.at} />`],
        ["Exact reason", mono(record.reason)],
        ["The client was told", told],
        ["Details", record.details && !told ? record.details : undefined],
        ["App", mono(record.app_id)],
        ["User", mono(record.user_id)],
        ["Room", mono(record.room_id)],
        ["Token id", mono(record.token_id)],
        ["Who asked", mono(record.actor)],
        ["From", mono(record.source)],
        ["Request", mono(record.request_id)],
        ["Record", mono(record.record)],
      ].map(([name, value]) => [name, value === false ? undefined : value])} />
      <footer class="actions">
        ${trail && html`<${Button} href=${trail}>All of this user<//>`}
        ${root && ["login", "renew"].includes(record.action) && html`<${Button} kind="primary" icon="workbench" href=${href(`${root}/workbench`)}>Try the token in the workbench<//>`}
      </footer>
    </div>
  <//>`;
}

const WORDS = { login: "Login", renew: "Renewal", mint: "Mint", call: "Call", sign_in: "Sign-in", re_authenticate: "Proof of an admin" };
const word = (action) => WORDS[action] ?? action;

/** Without the marks that the reference has around what is code there. */
export const plain = (text) => text?.replaceAll("``", "");
