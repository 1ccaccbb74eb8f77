// Tokens that were ended early, and who is kept out.

import { html, useState } from "../lib/view.js";
import { get, post, remove, url } from "../api.js";
import { setQuery } from "../router.js";
import { can } from "../session.js";
import { Button, Empty, Moment, Mono, PageHead, PagedTable, Search, Tabs, When, confirm, toast, usePages } from "../ui/kit.js";
import { BanForm, RevokeForm } from "./bans/forms.js";

export const title = "Revocations and bans";

const PAGE = 50;
const TABS = [["bans", "Bans"], ["revocations", "Revocations"]];

export default function Bans({ params, query }) {
  const { appId } = params;
  const tab = query.get("show") ?? "bans";
  const [turn, setTurn] = useState(0);
  const [making, setMaking] = useState();
  const mayAct = can("admin", appId);
  const made = () => {
    setMaking(undefined);
    setTurn(turn + 1);
  };
  return html`
    <${PageHead} title="Revocations and bans" about="A revocation ends tokens: those issued later are good again. A ban keeps somebody out, whatever token they show.">
      ${mayAct && html`<${Button} onClick=${() => setMaking("revocations")}>Revoke tokens<//><${Button} kind="primary" icon="bans" onClick=${() => setMaking("bans")}>Ban somebody<//>`}
    <//>
    <${Tabs} label="What is shown" tabs=${TABS} value=${tab} onValue=${(show) => setQuery({ show: show === "bans" ? undefined : show })}>
      <${List} key=${tab} appId=${appId} kind=${tab} turn=${turn} mayAct=${mayAct} />
    <//>
    ${making === "bans" && html`<${BanForm} appId=${appId} onDone=${made} onClose=${() => setMaking(undefined)} />`}
    ${making === "revocations" && html`<${RevokeForm} appId=${appId} onDone=${made} onClose=${() => setMaking(undefined)} />`}`;
}

function List({ appId, kind, turn, mayAct }) {
  const [search, setSearch] = useState("");
  const load = async (cursor) => {
    const answer = await get(url`/v1/apps/${appId}/${kind}`, { limit: PAGE, cursor, search });
    return { rows: answer[kind], cursor: answer.cursor };
  };
  const pages = usePages(load, [appId, kind, search, turn]);
  const isBan = kind === "bans";
  const empty = search
    ? html`<${Empty} icon="search" title="Nothing fits">Nothing names “${search}”.<//>`
    : isBan
      ? html`<${Empty} icon="check" title="Nobody is banned">Whoever is banned stands here until the ban ends or is lifted.<//>`
      : html`<${Empty} icon="check" title="Nothing is revoked">Revocations stand here for as long as a token that they end could still be good.<//>`;
  return html`<div class="row"><${Search} label=${isBan ? "Search by user, room or address" : "Search by user, room or token id"} value=${search} onValue=${setSearch} /></div>
    <${PagedTable} label=${isBan ? "Bans" : "Revocations"} pages=${pages} columns=${isBan ? bans(appId, mayAct, pages.reload) : REVOCATIONS} keyOf=${(row) => row.ban_id ?? row.revocation_id} empty=${empty} />`;
}

/** Whom or what an entry is about. */
function Target({ entry: { kind, user_id, room_id, token_id, ip_range } }) {
  const mono = (value) => html`<${Mono}>${value}<//>`;
  if (kind === "app") return "every token of the app";
  if (kind === "token") return html`token ${mono(token_id)}`;
  if (kind === "user") return html`user ${mono(user_id)}`;
  if (kind === "room") return html`room ${mono(room_id)}`;
  if (kind === "user_in_room") return html`user ${mono(user_id)} in room ${mono(room_id)}`;
  return html`addresses ${mono(ip_range)}`;
}

const MADE = [
  { label: "Why", wide: true, cell: ({ reason }) => reason ?? html`<span class="soft">not said</span>` },
  { label: "By", cell: ({ created_by }) => html`<${Mono}>${created_by}<//>` },
  { label: "Made", cell: ({ created_at }) => html`<${When} at=${created_at} />` },
];

const REVOCATIONS = [
  { label: "Ends", cell: (entry) => html`<${Target} entry=${entry} />` },
  { label: "Issued before", cell: ({ issued_before }) => (issued_before === undefined ? html`<span class="soft">whenever</span>` : html`<${Moment} at=${issued_before} />`) },
  ...MADE,
  { label: "Kept until", cell: ({ expire_at }) => html`<${Moment} at=${expire_at} />` },
];

function bans(appId, mayAct, reload) {
  const all = [
    { label: "Keeps out", cell: (entry) => html`<${Target} entry=${entry} />` },
    { label: "Until", cell: ({ expire_at }) => (expire_at === undefined ? "lifted" : html`<${Moment} at=${expire_at} />`) },
    ...MADE,
    mayAct && { label: "Actions", bare: true, end: true, cell: (entry) => html`<${Button} small label=${`Lift the ban of ${entry.user_id ?? entry.room_id ?? entry.ip_range}`} onClick=${() => void lift(appId, entry, reload)}>Lift<//>` },
  ];
  return all.filter(Boolean);
}

function lift(appId, entry, reload) {
  const { ban_id, user_id, room_id, ip_range, expire_at, reason } = entry;
  const again = async () => {
    const left = expire_at === undefined ? undefined : Math.max(1, expire_at - Math.floor(Date.now() / 1000));
    await post(url`/v1/apps/${appId}/bans`, { user_id, room_id, ip_range, duration_secs: left, reason });
    reload();
  };
  return confirm({
    title: "Lift this ban?",
    body: html`<p>From now on it no longer keeps out <${Target} entry=${entry} />.</p>`,
    yes: "Lift it",
    kind: "primary",
    act: async () => {
      await remove(url`/v1/apps/${appId}/bans/${ban_id}`);
      toast("The ban is lifted.", { undo: again });
      reload();
    },
  });
}
