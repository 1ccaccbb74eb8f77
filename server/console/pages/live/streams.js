// Streams, with what is measured of them on this node.

import { html, useState } from "../../lib/view.js";
import { get, url } from "../../api.js";
import { useAgain, useEvery } from "../../lib/every.js";
import { Button, Empty, Mono, PagedTable, Search, usePages } from "../../ui/kit.js";
import { stopStream } from "./acts.js";
import { MEASURED_MS, Received, Sent } from "./media.js";
import { Receivers } from "./receivers.js";
import { Unreached } from "./sessions.js";

const PAGE = 50;

/** Those of all rooms. */
export function AllStreams(props) {
  const [search, setSearch] = useState("");
  return html`<div class="row"><${Search} label="Search by stream or user id" value=${search} onValue=${setSearch} /></div>
    <${Streams} ...${props} search=${search} />`;
}

/** Those of one room, or all. */
export function Streams({ appId, roomId, search, turn, isLive, mayAct }) {
  const [open, setOpen] = useState();
  const load = async (cursor) => {
    const { streams, cursor: next, unreached } = await get(url`/v1/apps/${appId}/streams`, { room_id: roomId, search, limit: PAGE, cursor });
    return { rows: streams, cursor: next, unreached };
  };
  const pages = usePages(load, [appId, roomId, search]);
  useAgain(pages, turn);
  const isMeasured = isLive && pages.rows?.some(({ published }) => published.length > 0);
  useEvery(MEASURED_MS, pages.follow, Boolean(isMeasured) && !open);
  const empty = search ? html`<${Empty} icon="search" title="No stream fits">None has “${search}” in its id, or in that of its user.<//>` : html`<${Empty} icon="live" title="Nobody sends anything">Streams appear as soon as somebody publishes one.<//>`;
  return html`${!roomId && html`<${Unreached} nodes=${pages.value?.unreached} />`}<${PagedTable} label="Streams" pages=${pages} columns=${columns(appId, roomId, mayAct, setOpen)} keyOf=${({ stream_id }) => stream_id} empty=${empty} />
    ${open && html`<${Receivers} appId=${appId} streamId=${open} isLive=${isLive} onClose=${() => setOpen(undefined)} />`}`;
}

function columns(appId, roomId, mayAct, open) {
  const all = [
    { label: "Stream", cell: ({ stream_id }) => html`<${Mono}>${stream_id}<//>` },
    { label: "Of", cell: ({ user_id }) => html`<${Mono}>${user_id}<//>` },
    !roomId && { label: "Room", cell: ({ room_id }) => html`<${Mono}>${room_id}<//>` },
    { label: "Sent", cell: (stream) => html`<${Sent} published=${stream.published} />` },
    { label: "Played by", cell: (stream) => html`<${Received} received=${stream.received} onOpen=${() => open(stream.stream_id)} />` },
    mayAct && { label: "Actions", bare: true, end: true, cell: (stream) => html`<div class="actions"><${Button} small label=${`Stop ${stream.stream_id}`} onClick=${() => void stopStream(appId, stream)}>Stop<//></div>` },
  ];
  return all.filter(Boolean);
}
