// Users' stays in rooms: by which credential, until when, and what can be done about them.

import { html, useState } from "../../lib/view.js";
import { get, url } from "../../api.js";
import { useAgain } from "../../lib/every.js";
import { duration, useNow } from "../../lib/time.js";
import { Badge, Button, Empty, Mono, Note, PagedTable, Search, When, usePages } from "../../ui/kit.js";
import { ban, changeRights, kick, say } from "./acts.js";
import { Flow } from "./media.js";

const PAGE = 50;
/** From here on a countdown is worth a colour. */
const SOON_SECS = 60;

/** Everybody in any room. */
export function Sessions({ appId, turn, mayAct }) {
  const [search, setSearch] = useState("");
  return html`<div class="row"><${Search} label="Search by user id" value=${search} onValue=${setSearch} /></div>
    <${People} appId=${appId} search=${search} turn=${turn} mayAct=${mayAct} />`;
}

/** Everybody in one room, or in any. */
export function People({ appId, roomId, search, turn, mayAct }) {
  const load = async (cursor) => {
    const { sessions, cursor: next, unreached } = await get(url`/v1/apps/${appId}/sessions`, { room_id: roomId, search, limit: PAGE, cursor });
    return { rows: sessions, cursor: next, unreached };
  };
  const pages = usePages(load, [appId, roomId, search]);
  useAgain(pages, turn);
  const moment = useNow(1000);
  return html`<${Unreached} nodes=${pages.value?.unreached} /><${PagedTable} label="Users" pages=${pages} columns=${columns({ appId, roomId, moment, mayAct, hasMedia: pages.rows?.some(({ media }) => media) })} keyOf=${({ session_id }) => session_id}
    empty=${search ? html`<${Empty} icon="search" title="No user fits">Nobody with “${search}” in the id is here.<//>` : html`<${Empty} icon="live" title="Nobody is here">Users appear as soon as they log in to a room.<//>`} />`;
}

/** That some nodes did not answer, if so. */
export function Unreached({ nodes }) {
  if (!nodes) return null;
  return html`<${Note} kind="warn" title="Some may be missing">${nodes.bus_away ? "The bus is away: only this node could be asked." : `Not every node answered: ${(nodes.silent_nodes ?? []).join(", ")}.`}<//>`;
}

function columns({ appId, roomId, moment, mayAct, hasMedia }) {
  const all = [
    { label: "User", cell: ({ user_id }) => html`<${Mono}>${user_id}<//>` },
    !roomId && { label: "Room", cell: ({ room_id }) => html`<${Mono}>${room_id}<//>` },
    { label: "Token", cell: (session) => html`<${Countdown} session=${session} moment=${moment} />` },
    { label: "May", cell: (session) => html`<${Rights} session=${session} />` },
    hasMedia && { label: "Media", cell: ({ media }) => html`<${Flow} media=${media} />` },
    { label: "Since", cell: ({ since, source }) => html`<${When} at=${since} /><br /><span class="soft">from <${Mono}>${source}<//></span>` },
    mayAct && { label: "Actions", bare: true, end: true, cell: (session) => html`<${Acts} appId=${appId} session=${session} />` },
  ];
  return all.filter(Boolean);
}

/** How long the present token is still good. */
function Countdown({ session, moment }) {
  if (session.auth === "app_sign") return html`<span class="soft">AppSign, does not expire</span>`;
  const left = session.expire_at - moment;
  if (left <= 0) return html`<${Badge} kind="bad">expired<//>`;
  return html`<${Badge} kind=${left <= SOON_SECS ? "warn" : ""}>${duration(left)} left<//>`;
}

function Rights({ session: { privileges, withheld = [] } }) {
  const held = privileges.filter((name) => !withheld.includes(name));
  return html`<span class="row tight">${held.map((name) => html`<${Badge} key=${name}>${name}<//>`)}${withheld.map((name) => html`<${Badge} key=${`no-${name}`} kind="warn">no ${name}<//>`)}</span>`;
}

function Acts({ appId, session }) {
  const { user_id, room_id } = session;
  return html`<div class="actions acts">
    <${Button} small kind="quiet" label=${`Say something to ${user_id}`} onClick=${() => void say(appId, { room_id, user_id })}>Say<//>
    <${Button} small kind="quiet" label=${`Rights of ${user_id}`} onClick=${() => void changeRights(appId, session)}>Rights<//>
    <${Button} small kind="quiet" label=${`Ban ${user_id}`} onClick=${() => void ban(appId, session)}>Ban<//>
    <${Button} small label=${`Kick ${user_id}`} onClick=${() => void kick(appId, session)}>Kick<//>
  </div>`;
}
