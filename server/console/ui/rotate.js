// The way to a new server secret, in three steps: decide on the deadline, take the secret, see the share move.

import { html, useState } from "../lib/view.js";
import { get, post, url } from "../api.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";
import { Check, Choices, Form, Length, Text, errorAt } from "./form.js";
import { Shares } from "./page.js";
import { Fault, Note } from "./states.js";
import { Code, Facts, Moment, When } from "./text.js";
import { useLoad } from "./table.js";
import { useEvery } from "../lib/every.js";
import { duration, moment, now } from "../lib/time.js";

const STEPS = ["Deadline", "New secret", "Watch"];

export function Rotate({ app, purposes, onClose, onDone }) {
  const [step, setStep] = useState(0);
  const [made, setMade] = useState();
  const done = (answer) => {
    setMade(answer);
    setStep(1);
    onDone();
  };
  return html`<${Dialog} title="Rotate the server secret" wide onClose=${onClose} fixed=${step === 1}>
    <div class="stack">
      <ol class="steps">${STEPS.map((name, at) => html`<li key=${name} aria-current=${at === step ? "step" : undefined}>${name}</li>`)}</ol>
      ${step === 0 && html`<${Deadline} app=${app} purposes=${purposes} onClose=${onClose} onDone=${done} />`}
      ${step === 1 && html`<${Take} made=${made} onDone=${() => setStep(2)} />`}
      ${step === 2 && html`<${Watch} app=${app} made=${made} onClose=${onClose} />`}
    </div>
  <//>`;
}

function Deadline({ app, purposes, onClose, onDone }) {
  const takesCbc = purposes.includes("cbc");
  const longest = app.settings.max_ttl_secs;
  const [purpose, setPurpose] = useState("gcm");
  const [overlap, setOverlap] = useState(longest);
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const [sure, setSure] = useState("");
  const isSure = overlap !== 0 || sure === String(app.app_id);
  const rotate = async () => {
    if (!isSure) return;
    setBusy(true);
    setError(undefined);
    try {
      onDone({ ...(await post(url`/v1/apps/${app.app_id}/secrets/rotate`, { purpose, overlap_secs: overlap })), purpose });
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  return html`<${Form} onSend=${rotate} label="Deadline">
    <p>A new secret seals tokens from now on; where several servers share a database, as soon as all of them know it. The present one goes on opening them until the deadline, so that your backends have time to change over.</p>
    <${Choices} legend="Which secret" value=${purpose} onValue=${setPurpose} options=${[
      ["gcm", "AES-GCM", "Seals the tokens that are authenticated."],
      ["cbc", "AES-CBC", takesCbc ? "Seals tokens for old clients." : "For old clients: there is none yet, so this makes the first."],
    ]} />
    ${(purpose === "gcm" || takesCbc) && html`<${Length} label="The present secret opens tokens for" hint=${`This app's tokens live at most ${duration(longest)}: no shorter, and nobody is interrupted. 0 ends it at once, with the sessions of its tokens: for when it has leaked.`} seconds=${overlap} onValue=${setOverlap} units=${["min", "h", "d"]} error=${errorAt(error, "overlap_secs")} />`}
    ${overlap === 0 ? html`<${Note} kind="bad" title="Everybody who came in with a token is thrown out">Until your backend has the new secret, it can mint nothing.<//>
      <${Text} label=${`Type ${app.app_id} to confirm`} mono value=${sure} onValue=${setSure} />`
      : overlap < longest && html`<${Note} kind="warn">Tokens that were minted for longer are refused before their own expiry.<//>`}
    ${overlap > 0 && html`<p class="soft">The deadline would be ${moment(now() + overlap)}.</p>`}
    ${error && error.field !== "overlap_secs" && html`<${Fault} error=${error} />`}
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind=${overlap === 0 ? "danger" : "primary"} busy=${busy} disabled=${overlap === undefined || !isSure}>Make a new secret<//></footer>
  <//>`;
}

function Take({ made, onDone }) {
  const [kept, setKept] = useState(false);
  return html`<div class="stack">
    <p>This is the new secret. It is not shown again. Backends that mint by this server's API need nothing; those that mint by themselves need it before the deadline${made.previous_valid_until ? html`, <b>${moment(made.previous_valid_until)}</b>` : ""}.</p>
    <${Code} label="Server secret" text=${made.server_secret} />
    <${Check} label="I have put it where my backends find it, and nobody else." checked=${kept} onValue=${setKept} />
    <footer class="actions"><${Button} kind="primary" disabled=${!kept} onClick=${onDone}>Go on<//></footer>
  </div>`;
}

function Watch({ app, made, onClose }) {
  const ring = useLoad(() => get(url`/v1/apps/${app.app_id}/secrets`), [app.app_id]);
  useEvery(2_000, ring.follow);
  const secrets = ring.value?.secrets.filter(({ purpose, state }) => purpose === made.purpose && state !== "ended") ?? [];
  const parts = secrets.map((secret) => ({ label: `${secret.secret_id === made.secret_id ? "new" : "previous"} ${secret.fingerprint}`, value: secret.opened_in_5_min, kind: secret.secret_id === made.secret_id ? "good" : "warn" }));
  const total = parts.reduce((sum, { value }) => sum + value, 0);
  const previous = secrets.filter(({ secret_id }) => secret_id !== made.secret_id);
  return html`<div class="stack">
    <p>Tokens that users show, by the secret that sealed them, in the last 5 minutes. When nothing is left to the previous one, you may end it before the deadline.</p>
    ${previous.map((secret) => html`<${Facts} key=${secret.secret_id} facts=${[
      ["Previous secret", html`<span class="mono">${secret.fingerprint}</span>`],
      ["Last used", html`<${When} at=${secret.last_used_at} every=${1000} />`],
      ["Opens tokens until", html`<span><${Moment} at=${secret.valid_until} />, <${When} at=${secret.valid_until} every=${1000} /></span>`],
    ]} />`)}
    ${total > 0 ? html`<${Shares} label="Tokens by secret" parts=${parts} />` : html`<p class="soft" role="status">Waiting for the first token…</p>`}
    <footer class="actions"><${Button} kind="primary" onClick=${onClose}>Done<//></footer>
  </div>`;
}
