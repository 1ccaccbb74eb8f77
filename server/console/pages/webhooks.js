// Endpoints of the app's backend that are told what happens.

import { html, useState } from "../lib/view.js";
import { get, post, url } from "../api.js";
import { href } from "../router.js";
import { can } from "../session.js";
import { Badge, Button, Check, Code, Dialog, Empty, Failed, Loading, Note, PageHead, Search, Table, When, count, useLoad } from "../ui/kit.js";
import { EndpointForm } from "../ui/endpoint.js";

export const title = "Webhooks";

export default function Webhooks({ app }) {
  const mayChange = can("admin", app.app_id);
  const hooks = useLoad(() => get(url`/v1/apps/${app.app_id}/webhooks`), [app.app_id]);
  const [search, setSearch] = useState("");
  const [making, setMaking] = useState(false);
  if (hooks.error && !hooks.value) return html`<${Failed} error=${hooks.error} retry=${hooks.reload} />`;
  if (!hooks.value) return html`<${Loading} rows=${4} />`;
  const all = hooks.value.webhooks;
  const text = search.toLowerCase();
  const shown = all.filter(({ url, description }) => url.toLowerCase().includes(text) || description.toLowerCase().includes(text));
  const make = mayChange && html`<${Button} kind="primary" icon="plus" onClick=${() => setMaking(true)}>New endpoint<//>`;
  return html`
    <${PageHead} title="Webhooks" about="Your backend is told what happens: signed, and again until it has taken it.">${make}<//>
    ${all.length > 5 && html`<div class="row"><${Search} label="Search by address or purpose" value=${search} onValue=${setSearch} /></div>`}
    ${shown.length === 0
      ? html`<${Empty} icon="hook" title=${search ? "No endpoint fits" : "No endpoints yet"} action=${!search && make}>${!search && html`What is sent, and how to verify it, is described <a href="/docs/webhooks" target="_blank">in the documentation</a>.`}<//>`
      : html`<${Table} label="Endpoints" rows=${shown} keyOf=${({ endpoint_id }) => endpoint_id} href=${({ endpoint_id }) => href(`/apps/${app.app_id}/webhooks/${endpoint_id}`)} columns=${[
        { label: "Address", wide: true, cell: ({ url }) => html`<span class="mono">${url}</span>` },
        { label: "For", cell: ({ description }) => description || html`<span class="soft">not said</span>` },
        { label: "Events", cell: ({ events }) => count(events.length) },
        { label: "State", cell: ({ enabled, dropped }) => html`<span class="row tight"><${Badge} kind=${enabled ? "good" : "bad"}>${enabled ? "on" : "off"}<//>${dropped > 0 && html`<${Badge} kind="warn">${count(dropped)} dropped<//>`}</span>` },
        { label: "Changed", cell: ({ updated_at }) => html`<${When} at=${updated_at} />` },
      ]} />`}
    ${making && html`<${Make} app=${app} onClose=${() => setMaking(false)} onMade=${hooks.reload} />`}`;
}

function Make({ app, onClose, onMade }) {
  const [made, setMade] = useState();
  const [kept, setKept] = useState(false);
  const send = async (endpoint) => {
    setMade(await post(url`/v1/apps/${app.app_id}/webhooks`, endpoint));
    onMade();
  };
  if (!made) return html`<${Dialog} title="New endpoint" wide onClose=${onClose}><${EndpointForm} onSend=${send} onCancel=${onClose} yes="Make the endpoint" /><//>`;
  return html`<${Dialog} title="The signing key" wide fixed onClose=${onClose}><div class="stack">
    <${Note} kind="warn">This is the only time that it is shown. Your receiver verifies each delivery with it.<//>
    <${Code} label="Signing key" text=${made.signing_key} />
    <${Check} label="I have put it where my receiver finds it." checked=${kept} onValue=${setKept} />
    <footer class="actions"><${Button} kind="primary" disabled=${!kept} onClick=${onClose}>Done<//></footer>
  </div><//>`;
}
