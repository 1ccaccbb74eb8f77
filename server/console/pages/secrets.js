// The ring of server secrets: which there are, how tokens are shared among them, and the way to a new one.

import { html, useState } from "../lib/view.js";
import { get, post, url } from "../api.js";
import { can } from "../session.js";
import { Badge, Button, Card, Failed, Loading, Mono, Moment, Note, PageHead, Select, Shares, Table, When, confirm, count, toast, useLoad } from "../ui/kit.js";
import { Rotate } from "../ui/rotate.js";
import { useEvery } from "../lib/every.js";
import { duration, useNow } from "../lib/time.js";

export const title = "Server secrets";

const PURPOSES = { gcm: "AES‑GCM", cbc: "AES‑CBC" };
const STATES = { active: ["good", "active"], previous: ["warn", "previous"], ended: [undefined, "ended"] };
/** A secret seals no more than this; see the security page. */
const MOST_MINTS = 3_865_470_566;

export default function Secrets({ app, reloadApp }) {
  const mayChange = can("admin", app.app_id);
  const ring = useLoad(() => get(url`/v1/apps/${app.app_id}/secrets`), [app.app_id]);
  const [rotating, setRotating] = useState(false);
  useEvery(5_000, ring.follow);
  const changed = () => {
    ring.reload();
    reloadApp();
  };
  if (ring.error && !ring.value) return html`<${Failed} error=${ring.error} retry=${ring.reload} />`;
  if (!ring.value) return html`<${Loading} rows=${5} />`;
  const { secrets } = ring.value;
  const purposes = ["gcm", "cbc"].filter((purpose) => secrets.some((secret) => secret.purpose === purpose));
  return html`
    <${PageHead} title="Server secrets" about="They seal room tokens. One seals; the ones before it go on opening tokens until a date, so that a rotation interrupts nobody.">
      ${mayChange && html`<${Button} kind="primary" icon="refresh" onClick=${() => setRotating(true)}>Rotate<//>`}
    <//>
    ${purposes.map((purpose) => html`<${Rotation} key=${purpose} purpose=${purpose} several=${purposes.length > 1} secrets=${secrets.filter((secret) => secret.purpose === purpose)} />`)}
    <${Card} title="The ring">
      <${Table} label="Server secrets" rows=${secrets} keyOf=${({ secret_id }) => secret_id} columns=${[
        { label: "Fingerprint", cell: ({ fingerprint }) => html`<${Mono}>${fingerprint}<//>` },
        ...(purposes.length > 1 ? [{ label: "Seals", cell: ({ purpose }) => PURPOSES[purpose] }] : []),
        { label: "State", cell: (secret) => html`<${Badge} kind=${STATES[secret.state][0]}>${secret.retired_at ? "retired" : STATES[secret.state][1]}<//>` },
        { label: "Opens until", cell: ({ valid_until }) => (valid_until ? html`<${Moment} at=${valid_until} />` : "its rotation") },
        { label: "Last used", cell: ({ last_used_at }) => html`<${When} at=${last_used_at} />` },
        { label: "Tokens opened", end: true, cell: ({ used_count }) => count(used_count) },
        { label: "Made", cell: ({ created_at }) => html`<${When} at=${created_at} />` },
        ...(mayChange ? [{ label: "Actions", bare: true, end: true, cell: (secret) => html`<${Retire} app=${app} secret=${secret} reload=${changed} />` }] : []),
      ]} />
    <//>
    ${rotating && html`<${Rotate} app=${app} purposes=${purposes} onClose=${() => setRotating(false)} onDone=${changed} />`}`;
}

/** How far a rotation has come: what is left to the secret before. */
function Rotation({ purpose, several, secrets }) {
  const present = useNow(1000);
  const [window, setWindow] = useState("5");
  const active = secrets.find(({ state }) => state === "active");
  const previous = secrets.filter(({ state, valid_until }) => state === "previous" && present < valid_until);
  const opened = ({ opened_in_5_min, opened_in_1_h }) => (window === "5" ? opened_in_5_min : opened_in_1_h);
  const heading = several ? `Tokens sealed with ${PURPOSES[purpose]}` : "Tokens opened lately";
  const near = active && active.mints_reserved > MOST_MINTS / 16;
  const old = previous.reduce((sum, secret) => sum + opened(secret), 0);
  const whole = old + (active ? opened(active) : 0);
  return html`<${Card} title=${heading} about="Counted on the server that answers, by the secret that opened them." actions=${html`<${Select} label=${html`<span class="hidden">Window</span>`} value=${window} onValue=${setWindow} options=${[["5", "last 5 minutes"], ["60", "last hour"]]} />`}>
    ${near && html`<${Note} kind="warn" title="Rotate soon">This secret has sealed about ${count(active.mints_reserved)} tokens of at most ${count(MOST_MINTS)}.<//>`}
    ${whole === 0 ? html`<p class="soft">No token was opened in this time.</p>` : html`<${Shares} label="Tokens by secret" parts=${[
      ...(active ? [{ label: `active ${active.fingerprint}`, value: opened(active), kind: "good" }] : []),
      ...previous.map((secret) => ({ label: `previous ${secret.fingerprint}`, value: opened(secret), kind: "warn" })),
    ]} />`}
    ${previous.map((secret) => html`<${Note} kind="warn" key=${secret.secret_id} title=${`${secret.fingerprint} opens tokens for another ${duration(secret.valid_until - present)}`}>
      ${opened(secret) === 0 ? html`Nobody has shown one of its tokens in the last ${window === "5" ? "5 minutes" : "hour"}${secret.last_used_at && html`; the last was <${When} at=${secret.last_used_at} />`}.` : `${count(opened(secret))} of its tokens were shown: your backends may still mint with it.`}
      ${" "}After that, they are refused.<//>`)}
    ${previous.length === 0 && html`<p class="soft">No rotation is under way.</p>`}
  <//>`;
}

function Retire({ app, secret, reload }) {
  if (secret.state !== "previous") return null;
  const retire = () => confirm({
    title: `End ${secret.fingerprint} now?`,
    body: html`<p>Its tokens are refused from now on, and the sessions that go by them end. ${secret.opened_in_5_min > 0 && html`<b>${count(secret.opened_in_5_min)} were shown in the last 5 minutes.</b>`} This cannot be taken back.</p>`,
    yes: "End it",
    type: secret.opened_in_5_min > 0 ? secret.fingerprint : undefined,
    act: async () => {
      await post(url`/v1/apps/${app.app_id}/secrets/${secret.secret_id}/retire`);
      toast(`${secret.fingerprint} has ended.`);
      reload();
    },
  });
  return html`<${Button} small onClick=${retire}>End now<//>`;
}
