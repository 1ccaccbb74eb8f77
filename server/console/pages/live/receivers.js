// Who receives a stream, and how it gets there.

import { html, useState } from "../../lib/view.js";
import { get, url } from "../../api.js";
import { useEvery } from "../../lib/every.js";
import { Badge, Dialog, Empty, Mono, PagedTable, Search, usePages } from "../../ui/kit.js";
import { MEASURED_MS, isLossy, quality, rate } from "./media.js";
import { Unreached } from "./sessions.js";

const PAGE = 25;

export function Receivers({ appId, streamId, isLive, onClose }) {
  const [search, setSearch] = useState("");
  const load = async (cursor) => {
    const { receivers, cursor: next, unreached } = await get(url`/v1/apps/${appId}/streams/receivers`, { stream_id: streamId, search, limit: PAGE, cursor });
    return { rows: receivers.flatMap(({ user_id, tracks }) => tracks.map((track) => ({ user_id, ...track }))), cursor: next, unreached };
  };
  const pages = usePages(load, [appId, streamId, search]);
  useEvery(MEASURED_MS, pages.follow, isLive);
  const empty = search ? html`<${Empty} icon="search" title="No user fits">Nobody with “${search}” in the id plays it.<//>` : html`<${Empty} icon="live" title="Nobody plays it">Users appear as soon as something of the stream goes to them.<//>`;
  return html`<${Dialog} title=${`Who plays ${streamId}`} wide onClose=${onClose}><div class="body">
    <div class="row"><${Search} label="Search by user id" value=${search} onValue=${setSearch} /></div>
    <${Unreached} nodes=${pages.value?.unreached} />
    <${PagedTable} label="Receivers" pages=${pages} columns=${COLUMNS} keyOf=${({ user_id, kind }) => `${user_id} ${kind}`} empty=${empty} />
  </div><//>`;
}

const COLUMNS = [
  { label: "User", cell: ({ user_id }) => html`<${Mono}>${user_id}<//>` },
  { label: "Track", cell: ({ kind, layer }) => `${kind}${layer ? `, size ${layer}` : ""}` },
  { label: "Rate", cell: ({ stats }) => rate(stats.bitrate_bps) },
  { label: "Way", cell: ({ stats }) => html`<${Way} stats=${stats} />` },
  { label: "Freezes", cell: ({ kind, freezes, frozen_ms: frozen }) => (kind === "audio" ? html`<span class="soft">–</span>` : freezes ? `${freezes}, ${(frozen / 1000).toFixed(1)} s in all` : "none") },
];

function Way({ stats }) {
  const told = quality(stats);
  if (!told) return html`<span class="soft">no report yet</span>`;
  return isLossy(stats) ? html`<${Badge} kind="warn">${told}<//>` : told;
}
