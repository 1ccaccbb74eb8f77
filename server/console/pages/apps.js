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
  const pages = usePages((cursor) => (seesAll ? ofAll(search, cursor) : ofSome(search, cursor)), [search, seesAll]);
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

/** So many single apps are asked for at once. */
const AT_ONCE = 10;

/** Those of an admin who sees single apps only: asked for one by one, until the page is full. */
async function ofSome(search, begin = 0) {
  const appIds = Object.keys(session.get().roles.apps ?? {});
  const fits = ({ app_id, settings }) => settings.name.toLowerCase().includes(search.toLowerCase()) || String(app_id).startsWith(search);
  const rows = [];
  let at = begin;
  while (at < appIds.length && rows.length < PAGE) {
    const some = appIds.slice(at, at + Math.min(AT_ONCE, PAGE - rows.length));
    rows.push(...(await Promise.all(some.map(app))).filter((app) => app && fits(app)));
    at += some.length;
  }
  return { rows, cursor: at < appIds.length ? at : undefined };
}

/** An app, unless it is gone. */
async function app(appId) {
  try {
    return (await get(url`/v1/apps/${appId}`)).app;
  } catch (error) {
    if (error.code === "app_unknown") return undefined;
    throw error;
  }
}
