// Every app that the admin may see.

import { html, useState } from "../lib/view.js";
import { get, url } from "../api.js";
import { href, setQuery } from "../router.js";
import { can, session } from "../session.js";
import { Badge, Button, Empty, Mono, PageHead, PagedTable, Search, When, usePages } from "../ui/kit.js";
import { MODES } from "../lib/words.js";

export const title = "Apps";

const PAGE = 50;

const COLUMNS = [
  { label: "Name", wide: true, cell: ({ settings }) => settings.name },
  { label: "AppID", cell: ({ app_id }) => html`<${Mono}>${app_id}<//>` },
  { label: "Clients show", cell: ({ settings }) => MODES[settings.mode].short },
  { label: "State", cell: ({ settings, warnings }) => (settings.enabled ? (warnings?.length ? html`<${Badge} kind="warn">${warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`}<//>` : html`<${Badge} kind="good">on<//>`) : html`<${Badge} kind="bad">off<//>`) },
  { label: "Changed", cell: ({ updated_at }) => html`<${When} at=${updated_at} every=${60_000} />` },
];

export default function Apps({ query }) {
  const [search, setSearch] = useState(query.get("search") ?? "");
  const seesAll = can("viewer");
  const pages = usePages((cursor) => (seesAll ? ofAll(search, cursor) : ofSome(search)), [search, seesAll]);
  const find = (text) => {
    setSearch(text);
    setQuery({ search: text });
  };
  const mayMake = can("admin");
  const make = mayMake && html`<${Button} kind="primary" icon="plus" href=${href("/new-app")}>New app<//>`;
  return html`
    <${PageHead} title="Apps" about="One app for each customer project: its own secrets, keys, rooms and rules.">${make}<//>
    <div class="row"><${Search} label="Search by name or AppID" value=${search} onValue=${find} /></div>
    <${PagedTable} label="Apps" pages=${pages} columns=${COLUMNS} keyOf=${({ app_id }) => app_id} href=${({ app_id }) => href(`/apps/${app_id}`)}
      empty=${search
        ? html`<${Empty} icon="search" title="No app fits">Nothing has “${search}” in its name, or an AppID that begins so.<//>`
        : html`<${Empty} icon="apps" title="No apps yet" action=${make}>${mayMake ? "Make one, or import one that you have elsewhere with its credentials." : "None that you may see."}<//>`} />`;
}

async function ofAll(search, cursor) {
  const { apps, cursor: next } = await get("/v1/apps", { limit: PAGE, cursor, search });
  return { rows: apps, cursor: next };
}

/** Those whose admin sees single apps only: they are few, and asked for one by one. */
async function ofSome(search) {
  const answers = await Promise.all(Object.keys(session.get().roles.apps ?? {}).map((appId) => get(url`/v1/apps/${appId}`).catch((error) => {
    if (error.code === "app_unknown") return undefined;
    throw error;
  })));
  const fits = ({ app_id, settings }) => settings.name.toLowerCase().includes(search.toLowerCase()) || String(app_id).startsWith(search);
  return { rows: answers.flatMap((answer) => (answer && fits(answer.app) ? [answer.app] : [])) };
}
