// The nodes that live, as far as the one that answers is in touch with them.

import { html } from "../../lib/view.js";
import { get } from "../../api.js";
import { Badge, Card, Failed, Loading, Mono, Table, When, count, useLoad } from "../../ui/kit.js";

export function Nodes() {
  const load = useLoad(() => get("/v1/nodes"), []);
  const about = load.value?.is_alone ? "This one shares no bus with others: if there are any, each has rooms of its own." : "Those that share a bus. Each says anew how it is every ten seconds.";
  return html`<${Card} title="Nodes" about=${about}>
    ${load.error ? html`<${Failed} error=${load.error} retry=${load.reload} />` : load.value ? html`<${Table} label="Nodes" rows=${load.value.nodes} columns=${columns(load.value.answered_by)} keyOf=${({ node_id }) => node_id} />` : html`<${Loading} rows=${2} />`}
  <//>`;
}

const columns = (answeredBy) => [
  { label: "Node", cell: ({ node_id }) => html`<${Mono}>${node_id}<//> ${node_id === answeredBy && html`<${Badge} kind="accent">answers<//>`}` },
  { label: "Version", cell: ({ version }) => version || html`<span class="soft">not said</span>` },
  { label: "Up since", cell: ({ started_at }) => html`<${When} at=${started_at} />` },
  { label: "Heard of", cell: ({ seen_at }) => html`<${When} at=${seen_at} />` },
  { label: "Connections", end: true, cell: ({ connections }) => count(connections), sort: ({ connections }) => connections },
  { label: "Users", end: true, cell: ({ sessions }) => count(sessions), sort: ({ sessions }) => sessions },
  { label: "Rooms", end: true, cell: ({ rooms }) => count(rooms) },
  { label: "Streams", end: true, cell: ({ streams }) => count(streams) },
];
