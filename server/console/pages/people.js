// Who may sign in to the console, and what each may do where.

import { html, useState } from "../lib/view.js";
import { get, patch, post, remove, url } from "../api.js";
import { session } from "../session.js";
import { Badge, Button, Choices, Code, Dialog, Empty, Fault, Form, Mono, Note, PageHead, PagedTable, Search, Text, When, confirm, errorAt, toast, usePages } from "../ui/kit.js";
import { ROLES, choices } from "../lib/words.js";

export const title = "People";

const PAGE = 50;

export default function People() {
  const [search, setSearch] = useState("");
  const people = usePages(async (cursor) => {
    const { admins, cursor: next } = await get("/v1/admin/admins", { limit: PAGE, cursor, search });
    return { rows: admins, cursor: next };
  }, [search]);
  const [editing, setEditing] = useState();
  const me = session.get().name;
  return html`
    <${PageHead} title="People" about="Who may sign in here. Backends do not sign in: they have keys."><${Button} kind="primary" icon="plus" onClick=${() => setEditing({})}>Invite<//><//>
    <div class="row"><${Search} label="Search by name" value=${search} onValue=${setSearch} /></div>
    <${PagedTable} label="People" pages=${people} keyOf=${({ name }) => name} empty=${html`<${Empty} icon="search" title="Nobody by that name">No name has “${search}” in it.<//>`} columns=${[
      { label: "Name", wide: true, cell: ({ name }) => html`<b>${name}</b> ${name === me && html`<${Badge} kind="accent">you<//>`}` },
      { label: "Everywhere", cell: ({ roles }) => (roles.everywhere ? ROLES[roles.everywhere].name : html`<span class="soft">no role</span>`) },
      { label: "In single apps", cell: ({ roles }) => inApps(roles) },
      { label: "Since", cell: ({ created_at }) => html`<${When} at=${created_at} />` },
      { label: "Actions", bare: true, end: true, cell: (person) => html`<span class="actions"><${Button} small onClick=${() => setEditing(person)}>Roles<//><${Remove} person=${person} reload=${people.reload} me=${me} /></span>` },
    ]} />
    ${editing && html`<${Edit} person=${editing} onClose=${() => setEditing(undefined)} onDone=${people.reload} />`}`;
}

function inApps(roles) {
  const apps = Object.entries(roles.apps ?? {});
  if (!apps.length) return html`<span class="soft">none</span>`;
  return apps.slice(0, 4).map(([appId, role], at) => html`${at > 0 && ", "}<${Mono}>${appId}<//> ${role}`).concat(apps.length > 4 ? [` and ${apps.length - 4} more`] : []);
}

function Remove({ person, reload, me }) {
  const ask = () => confirm({
    title: `Remove ${person.name}?`,
    body: "Their sessions end at once. What they did stays in the audit trail. To have them back, invite them again.",
    yes: "Remove",
    type: person.name === me ? person.name : undefined,
    act: async () => {
      await remove(url`/v1/admin/admins/${person.name}`);
      toast(`${person.name} was removed.`);
      reload();
    },
  });
  return html`<${Button} small onClick=${ask}>Remove<//>`;
}

/** Invites somebody, or changes what they may do. */
function Edit({ person, onClose, onDone }) {
  const isNew = !person.name;
  const [name, setName] = useState(person.name ?? "");
  const [where, setWhere] = useState(person.roles?.everywhere ?? (isNew ? "viewer" : "none"));
  const [apps, setApps] = useState(Object.entries(person.roles?.apps ?? {}));
  const [invited, setInvited] = useState();
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    setError(undefined);
    const chosen = apps.filter(([appId]) => appId);
    const roles = { ...(where !== "none" && { everywhere: where }), ...(chosen.length && { apps: Object.fromEntries(chosen) }) };
    try {
      if (isNew) {
        setInvited(await post("/v1/admin/admins", { name, roles }));
      } else {
        await patch(url`/v1/admin/admins/${person.name}`, { roles });
        toast(`${person.name} has other roles now, and signs in again.`, { undo: () => patch(url`/v1/admin/admins/${person.name}`, { roles: person.roles }).then(onDone) });
        onClose();
      }
      onDone();
    } catch (fault) {
      setError(fault);
    }
    setBusy(false);
  };
  if (invited) {
    return html`<${Dialog} title=${`${name} is invited`} wide fixed onClose=${onClose}><div class="stack">
      <p>Hand this link over by a way that nobody else reads. It works once, and until <${When} at=${invited.expire_at} /> from now.</p>
      <${Code} label="Set-up link" text=${invited.setup_link} />
      <footer class="actions"><${Button} kind="primary" onClick=${onClose}>Done<//></footer></div><//>`;
  }
  const setApp = (at, entry) => setApps(apps.map((one, here) => (here === at ? entry : one)));
  return html`<${Dialog} title=${isNew ? "Invite somebody" : `Roles of ${person.name}`} wide onClose=${onClose}><${Form} onSend=${send} label="Roles">
    ${isNew && html`<${Text} label="Name" hint="To sign in with: small letters, digits, and . _ @ -" value=${name} onValue=${setName} error=${errorAt(error, "name")} maxlength="64" autocapitalize="none" autofocus />`}
    <${Choices} legend="In every app" value=${where} onValue=${setWhere} options=${[...choices(ROLES), ["none", "Nothing", "Only in the apps below."]]} />
    <fieldset class="stack"><legend>More in single apps</legend>
      ${apps.map(([appId, role], at) => html`<div class="with-button" key=${at}>
        <input class="input mono" aria-label="AppID" placeholder="AppID" inputmode="numeric" value=${appId} onInput=${(event) => setApp(at, [event.target.value.replace(/\D/g, ""), role])} />
        <select class="input unit" aria-label="Role" value=${role} onChange=${(event) => setApp(at, [appId, event.target.value])}>${Object.entries(ROLES).map(([of, { name }]) => html`<option key=${of} value=${of} selected=${of === role}>${name}</option>`)}</select>
        <${Button} small kind="quiet" icon="close" label="Remove" onClick=${() => setApps(apps.filter((_, here) => here !== at))} />
      </div>`)}
      <div><${Button} small icon="plus" onClick=${() => setApps([...apps, ["", "viewer"]])}>One more app<//></div>
    </fieldset>
    ${!isNew && html`<${Note}>Their sessions end, so that the new roles hold at once.<//>`}
    ${error && error.field !== "name" && html`<${Fault} error=${error} />`}
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind="primary" busy=${busy} disabled=${!name || (where === "none" && !apps.some(([appId]) => appId))}>${isNew ? "Invite" : "Save"}<//></footer>
  <//><//>`;
}
