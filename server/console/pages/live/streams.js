// Streams, with what is measured of them on this node.

import { html, useState } from "../../lib/view.js";
import { get, url } from "../../api.js";
import { useAgain, useEvery } from "../../lib/every.js";
import { Button, Dialog, Empty, Mono, PagedTable, Search, Table, usePages } from "../../ui/kit.js";
import { stopStream } from "./acts.js";
import { Received, Sent, quality, rate } from "./media.js";

const PAGE = 50;
/** The server measures over a second. */
const AGAIN_MS = 2000;

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
    const { streams, cursor: next } = await get(url`/v1/apps/${appId}/streams`, { room_id: roomId, search, limit: PAGE, cursor });
    return { rows: streams, cursor: next };
  };
  const pages = usePages(load, [appId, roomId, search]);
  useAgain(pages, turn);
  const isMeasured = isLive && pages.rows?.some(({ published }) => published.length > 0);
  useEvery(AGAIN_MS, pages.reload, Boolean(isMeasured));
  const opened = open && pages.rows?.find(({ stream_id }) => stream_id === open);
  const empty = search ? html`<${Empty} icon="search" title="No stream fits">None has “${search}” in its id, or in that of its user.<//>` : html`<${Empty} icon="live" title="Nobody sends anything">Streams appear as soon as somebody publishes one.<//>`;
  return html`<${PagedTable} label="Streams" pages=${pages} columns=${columns(appId, roomId, mayAct, setOpen)} keyOf=${({ stream_id }) => stream_id} empty=${empty} />
    ${opened && html`<${Receivers} stream=${opened} onClose=${() => setOpen(undefined)} />`}`;
}

function columns(appId, roomId, mayAct, open) {
  const all = [
    { label: "Stream", cell: ({ stream_id }) => html`<${Mono}>${stream_id}<//>` },
    { label: "Of", cell: ({ user_id }) => html`<${Mono}>${user_id}<//>` },
    !roomId && { label: "Room", cell: ({ room_id }) => html`<${Mono}>${room_id}<//>` },
    { label: "Sent", cell: (stream) => html`<${Sent} published=${stream.published} />` },
    { label: "Played by", cell: (stream) => html`<${Received} played=${stream.played} onOpen=${() => open(stream.stream_id)} />` },
    mayAct && { label: "Actions", bare: true, end: true, cell: (stream) => html`<div class="actions"><${Button} small label=${`Stop ${stream.stream_id}`} onClick=${() => void stopStream(appId, stream)}>Stop<//></div>` },
  ];
  return all.filter(Boolean);
}

const RECEIVED = [
  { label: "User", cell: ({ user_id }) => html`<${Mono}>${user_id}<//>` },
  { label: "Track", cell: ({ kind, layer }) => `${kind}${layer ? `, size ${layer}` : ""}` },
  { label: "Rate", cell: ({ stats }) => rate(stats.bitrate_bps) },
  { label: "Way", cell: ({ stats }) => quality(stats) || html`<span class="soft">no report yet</span>` },
  { label: "Freezes", cell: ({ kind, freezes, frozen_ms: frozen }) => (kind === "audio" ? html`<span class="soft">–</span>` : freezes ? `${freezes}, ${(frozen / 1000).toFixed(1)} s in all` : "none") },
];

function Receivers({ stream: { stream_id, played }, onClose }) {
  return html`<${Dialog} title=${`Who plays ${stream_id}`} wide onClose=${onClose}><div class="body">
    <${Table} label="Receivers" rows=${played} columns=${RECEIVED} keyOf=${({ user_id, kind }) => `${user_id} ${kind}`} />
  </div><//>`;
}
