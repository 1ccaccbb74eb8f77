// Who is in which room now, what they send, and the operator's hand in it.

import { html, useState } from "../lib/view.js";
import { get, url } from "../api.js";
import { useAgain } from "../lib/every.js";
import { useFeed } from "../lib/feed.js";
import { setQuery } from "../router.js";
import { can } from "../session.js";
import { Badge, Empty, PageHead, PagedTable, Search, Tabs, count, usePages } from "../ui/kit.js";
import { Activity } from "./live/activity.js";
import { Room } from "./live/room.js";
import { Sessions, Unreached } from "./live/sessions.js";
import { AllStreams } from "./live/streams.js";

export const title = "Live";

const PAGE = 50;
const TABS = [["rooms", "Rooms"], ["users", "Users"], ["streams", "Streams"], ["activity", "Activity"]];
const STATES = { starting: ["", "connecting"], live: ["good", "following"], paused: ["", "paused"], away: ["bad", "server away"] };

export default function Live({ params, query }) {
  const { appId } = params;
  const [turn, setTurn] = useState(0);
  const { events, state, isWhole } = useFeed(appId, () => setTurn((turn) => turn + 1));
  const room = query.get("room");
  const tab = query.get("show") ?? "rooms";
  const show = (room) => setQuery({ room });
  const mayAct = can("admin", appId);
  const [kind, word] = STATES[state];
  return html`
    <${PageHead} title="Live" about="Rooms, users and streams, as they come and go.">
      <span role="status" class="following"><${Badge} kind=${kind}><span class="pulse" aria-hidden="true"></span>${word}<//></span>
    <//>
    ${room
      ? html`<${Room} key=${room} appId=${appId} roomId=${room} turn=${turn} isLive=${state === "live"} mayAct=${mayAct} onBack=${() => show(undefined)} />`
      : html`<${Tabs} label="What is shown" tabs=${TABS} value=${tab} onValue=${(show) => setQuery({ show: show === "rooms" ? undefined : show })}>
          ${tab === "rooms" && html`<${Rooms} appId=${appId} turn=${turn} />`}
          ${tab === "users" && html`<${Sessions} appId=${appId} turn=${turn} mayAct=${mayAct} />`}
          ${tab === "streams" && html`<${AllStreams} appId=${appId} turn=${turn} isLive=${state === "live"} mayAct=${mayAct} />`}
          ${tab === "activity" && html`<${Activity} events=${events} isWhole=${isWhole} onRoom=${show} />`}
        <//>`}`;
}

const COLUMNS = [
  { label: "Room", wide: true, cell: ({ room_id }) => html`<span class="mono">${room_id}</span>` },
  { label: "Users", end: true, cell: ({ user_count }) => count(user_count), sort: ({ user_count }) => user_count },
  { label: "Streams", end: true, cell: ({ stream_count }) => count(stream_count), sort: ({ stream_count }) => stream_count },
];

function Rooms({ appId, turn }) {
  const [search, setSearch] = useState("");
  const load = async (cursor) => {
    const { rooms, cursor: next, unreached } = await get(url`/v1/apps/${appId}/rooms`, { limit: PAGE, cursor, search });
    return { rows: rooms, cursor: next, unreached };
  };
  const pages = usePages(load, [appId, search]);
  useAgain(pages, turn);
  const href = ({ room_id }) => `?${new URLSearchParams({ room: room_id })}`;
  return html`<div class="row"><${Search} label="Search by room id" value=${search} onValue=${setSearch} /></div>
    <${Unreached} nodes=${pages.value?.unreached} />
    <${PagedTable} label="Rooms" pages=${pages} columns=${COLUMNS} keyOf=${({ room_id }) => room_id} href=${href}
      empty=${search
        ? html`<${Empty} icon="search" title="No room fits">Nobody is in a room with “${search}” in its id.<//>`
        : html`<${Empty} icon="live" title="Nobody is here">Rooms appear as soon as somebody logs in to one, and go when the last user has left.<//>`} />`;
}
