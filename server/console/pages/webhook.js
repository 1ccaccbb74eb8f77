// One webhook endpoint: its settings, its key, and what became of each delivery.

import { html, useState } from "../lib/view.js";
import { get, patch, post, remove, url } from "../api.js";
import { go } from "../router.js";
import { can } from "../session.js";
import { Badge, Button, Card, Check, Code, Dialog, Empty, Facts, Failed, Length, Loading, Mono, Note, PageHead, PagedTable, Search, Select, When, confirm, count, errorAt, toast, useLoad, usePages } from "../ui/kit.js";
import { EndpointForm } from "../ui/endpoint.js";
import { useEvery } from "../lib/every.js";

export const title = "Webhook";

const STATES = { pending: ["warn", "waiting"], delivered: ["good", "delivered"], failed: ["bad", "given up"] };
const FAULTS = {
  status: "answered with another status than 2xx", name_unknown: "the name has no address", address_refused: "an address it may not be at",
  unreachable: "no connection", tls: "no TLS: certificate or handshake", timed_out: "no complete answer in time", protocol: "the answer is not HTTP",
};

export default function Webhook({ app, params }) {
  const base = url`/v1/apps/${app.app_id}/webhooks/${params.endpointId}`;
  const hook = useLoad(() => get(base), [base]);
  const [dialog, setDialog] = useState();
  const mayChange = can("admin", app.app_id);
  if (hook.error && !hook.value) return html`<${Failed} error=${hook.error} retry=${hook.reload} />`;
  if (!hook.value) return html`<${Loading} rows=${5} />`;
  const { webhook } = hook.value;
  const change = async (changes) => {
    await patch(base, { version: webhook.version, ...changes });
    await hook.reload();
  };
  const back = (before) => async () => {
    const { webhook: { version } } = await get(base);
    await patch(base, { version, ...before });
    await hook.reload();
  };
  const turn = () => change({ enabled: !webhook.enabled }).then(
    () => toast(webhook.enabled ? "Switched off. What waits waits on." : "Switched on.", { undo: back({ enabled: webhook.enabled }) }),
    (error) => toast(error.message, { bad: true }),
  );
  const edit = async (changes) => {
    const before = Object.fromEntries(Object.keys(changes).map((name) => [name, webhook[name]]));
    await change(changes);
    setDialog(undefined);
    toast("Saved.", { undo: back(before) });
  };
  const take = () => confirm({ title: "Remove the endpoint?", body: "With it go its key and the log of its deliveries. This cannot be taken back.", yes: "Remove", type: webhook.description || undefined, act: async () => {
    await remove(base);
    go(`/apps/${app.app_id}/webhooks`);
    toast("The endpoint was removed.");
  } });
  return html`
    <${PageHead} title=${webhook.description || "Endpoint"} about=${html`<span class="mono">${webhook.url}</span>`}>
      ${mayChange && html`<${Button} onClick=${() => setDialog("edit")}>Change<//><${Button} onClick=${turn}>${webhook.enabled ? "Switch off" : "Switch on"}<//><${Button} onClick=${() => setDialog("key")}>New key<//><${Button} onClick=${take}>Remove<//>`}
    <//>
    ${!webhook.enabled && html`<${Note} kind="warn">Switched off: nothing is delivered.<//>`}
    ${webhook.dropped > 0 && html`<${Note} kind="warn">${count(webhook.dropped)} events were dropped because its queue was full.<//>`}
    ${webhook.previous_key_until && html`<${Note}>Deliveries are signed with the key before the present one too, until <${When} at=${webhook.previous_key_until} /> from now.<//>`}
    <${Card}><${Facts} facts=${[
      ["Id", html`<${Mono}>${webhook.endpoint_id}<//>`],
      ["Events", html`<span class="row tight">${webhook.events.map((event) => html`<${Badge} key=${event}>${event}<//>`)}</span>`],
      ["Private network", webhook.private_network ? "yes" : "no"],
      ["Made", html`<${When} at=${webhook.created_at} />`],
    ]} /><//>
    <${Deliveries} base=${base} app=${app} webhook=${webhook} mayChange=${mayChange} />
    ${dialog === "edit" && html`<${Dialog} title="Change the endpoint" wide onClose=${() => setDialog(undefined)}><${EndpointForm} endpoint=${webhook} yes="Save" onCancel=${() => setDialog(undefined)} onSend=${edit} /><//>`}
    ${dialog === "key" && html`<${NewKey} base=${base} onClose=${() => { setDialog(undefined); hook.reload(); }} />`}`;
}

function NewKey({ base, onClose }) {
  const [overlap, setOverlap] = useState(86_400);
  const [made, setMade] = useState();
  const [error, setError] = useState();
  const [kept, setKept] = useState(false);
  const [sure, setSure] = useState(false);
  const make = async () => {
    setError(undefined);
    await post(`${base}/key/rotate`, { overlap_secs: overlap }).then(setMade, setError);
  };
  const isAbrupt = overlap === 0;
  if (made) {
    return html`<${Dialog} title="The new signing key" wide fixed onClose=${onClose}><div class="stack">
      <${Code} label="Signing key" text=${made.signing_key} />
      <${Check} label="I have put it where my receiver finds it." checked=${kept} onValue=${setKept} />
      <footer class="actions"><${Button} kind="primary" disabled=${!kept} onClick=${onClose}>Done<//></footer></div><//>`;
  }
  return html`<${Dialog} title="New signing key" onClose=${onClose}><div class="stack">
    <p>For a while, deliveries are signed with both, so that your receiver can change over.</p>
    <${Length} label="The present key signs for another" hint="At most 30 days; 0 ends it at once." seconds=${overlap} onValue=${setOverlap} units=${["h", "d"]} error=${errorAt(error, "overlap_secs") ?? error?.message} />
    ${isAbrupt && html`<${Note} kind="bad" title="The present key ends at once">Until your receiver has the new one, it refuses every delivery. They are tried again for a day.<//>
      <${Check} label="The present key is to end now." checked=${sure} onValue=${setSure} />`}
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} kind=${isAbrupt ? "danger" : "primary"} disabled=${overlap === undefined || (isAbrupt && !sure)} onClick=${make}>Make a new key<//></footer></div><//>`;
}

function Deliveries({ base, mayChange, webhook }) {
  const [opened, setOpened] = useState();
  const [state, setState] = useState("");
  const [search, setSearch] = useState("");
  const pages = usePages(async (cursor) => {
    const { deliveries, cursor: next } = await get(`${base}/deliveries`, { limit: 50, cursor, state, search });
    return { rows: deliveries, cursor: next };
  }, [base, state, search]);
  const waits = pages.rows?.some(({ state }) => state === "pending");
  useEvery(3_000, pages.follow, Boolean(waits));
  const test = () => confirm({ title: "Send a test?", body: "The endpoint gets an event of the kind test, signed as all are.", yes: "Send it", kind: "primary", act: async () => {
    await post(`${base}/test`);
    toast("A test event is on its way.");
    pages.reload();
  } });
  const again = ({ delivery_id, event }) => confirm({ title: "Deliver it again?", body: `The endpoint gets this event (${event}) once more, under the same id.`, yes: "Deliver again", kind: "primary", act: async () => {
    await post(base + url`/deliveries/${delivery_id}/redeliver`);
    toast("It is delivered again.");
    pages.reload();
  } });
  return html`<${Card} title="Deliveries" actions=${html`<${Button} small icon="refresh" onClick=${pages.reload}>Refresh<//>${mayChange && html`<${Button} small disabled=${!webhook.enabled} onClick=${() => void test()}>Send a test<//>`}`}>
    <div class="filters"><${Search} label="Search by event, id or what it says" value=${search} onValue=${setSearch} />
      <${Select} label=${html`<span class="hidden">State</span>`} value=${state} onValue=${setState} options=${[["", "In any state"], ...Object.entries(STATES).map(([of, [, name]]) => [of, name])]} /></div>
    <${PagedTable} label="Deliveries" pages=${pages} keyOf=${({ delivery_id }) => delivery_id} columns=${[
      { label: "Event", cell: ({ event }) => html`<b>${event}</b>` },
      { label: "State", cell: ({ state }) => html`<${Badge} kind=${STATES[state][0]}>${STATES[state][1]}<//>` },
      { label: "Attempts", cell: ({ attempts }) => (attempts.length ? last(attempts) : html`<span class="soft">none yet</span>`), wide: true },
      { label: "Next", cell: ({ next_attempt_at }) => html`<${When} at=${next_attempt_at} never="–" every=${1000} />` },
      { label: "Queued", cell: ({ created_at }) => html`<${When} at=${created_at} />` },
      { label: "Actions", bare: true, end: true, cell: (delivery) => html`<span class="actions"><${Button} small onClick=${() => setOpened(delivery)}>Look<//>${mayChange && delivery.state !== "pending" && html`<${Button} small onClick=${() => void again(delivery)}>Again<//>`}</span>` },
    ]} empty=${state || search ? html`<${Empty} icon="search" title="No delivery fits" />` : html`<${Empty} icon="hook" title="No deliveries yet">They appear as things happen.<//>`} />
    ${opened && html`<${Delivery} delivery=${opened} onClose=${() => setOpened(undefined)} />`}
  <//>`;
}

const told = ({ status, fault, latency_ms }) => `${fault ? FAULTS[fault] : "taken"}${status ? ` (${status})` : ""}, ${latency_ms} ms`;
const last = (attempts) => `${attempts.length > 1 ? `${attempts.length}, the last: ` : ""}${told(attempts.at(-1))}`;

function Delivery({ delivery, onClose }) {
  let body = delivery.body;
  try {
    body = JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    // Shown as it is.
  }
  return html`<${Dialog} title=${`${delivery.event}: ${STATES[delivery.state][1]}`} wide onClose=${onClose}><div class="stack">
    <p class="soft mono">${delivery.delivery_id}</p>
    ${delivery.attempts.length > 0 && html`<ol class="attempts">${delivery.attempts.map((attempt, at) => html`<li key=${at}><${When} at=${attempt.at} />: ${told(attempt)}</li>`)}</ol>`}
    <${Code} label="body" text=${body} lines />
    <footer class="actions"><${Button} onClick=${onClose}>Close<//></footer></div><//>`;
}
