// One app: how it stands, and how its clients authenticate.

import { html, useState } from "../lib/view.js";
import { get, patch, url } from "../api.js";
import { href } from "../router.js";
import { can } from "../session.js";
import { Badge, Button, Card, Choices, Dialog, Facts, Failed, Fault, Loading, Mono, Moment, Note, PageHead, Table, Text, When, confirm, count, toast, useLoad } from "../ui/kit.js";
import { MODES, choices } from "../lib/words.js";
import { duration } from "../lib/time.js";

export const title = "Overview";

/** Changes settings of an app; the page shows what came of it, or what somebody else has made of the app meanwhile. */
export async function change(app, setApp, settings, more) {
  const path = url`/v1/apps/${app.app_id}`;
  try {
    const { app: changed } = await patch(path, { version: app.version, settings, ...more });
    setApp(changed);
    return changed;
  } catch (error) {
    if (error.code !== "conflict") throw error;
    setApp((await get(path)).app);
    throw Object.assign(error, { message: "The app has been changed meanwhile. What is shown now is how it is: look again, and repeat this if it is still what you want." });
  }
}

export default function Overview({ app, setApp }) {
  const { settings } = app;
  const mayChange = can("admin", app.app_id);
  const [renaming, setRenaming] = useState(false);
  return html`
    <${PageHead} title=${settings.name} about=${html`AppID <b class="mono">${app.app_id}</b>`}>
      ${mayChange && html`<${Button} onClick=${() => setRenaming(true)}>Rename<//><${Switch} app=${app} setApp=${setApp} />`}
    <//>
    ${!settings.enabled && html`<${Note} kind="bad" title="This app is switched off">Nobody logs in, no token is minted, and the sessions there were have ended.<//>`}
    ${app.warnings?.map((warning) => html`<${Note} kind="warn" key=${warning}>${warning}<//>`)}
    <${Mode} app=${app} setApp=${setApp} mayChange=${mayChange} />
    <div class="columns">
      <${Ring} app=${app} />
      <${Card} title="As it is set" actions=${html`<${Button} small href=${href(`/apps/${app.app_id}/policies`)}>All settings<//>`}>
        <${Facts} facts=${[
          ["Tokens live", `${duration(settings.default_ttl_secs)}, at most ${duration(settings.max_ttl_secs)}`],
          ["At expiry", { soft: "Stays; next login, publish or play refused", stop_publish: "Own streams stop", strict: "Removed from the room" }[settings.on_expiry]],
          ["Formats", settings.formats.map((format) => html`<${Badge} key=${format}>${format}<//> `)],
          ["Users in a room", settings.max_room_users ? `at most ${count(settings.max_room_users)}` : "no limit"],
          ["Made", html`<${Moment} at=${app.created_at} />`],
          ["Changed", html`<${When} at=${app.updated_at} />`],
        ]} />
      <//>
    </div>
    ${renaming && html`<${Rename} app=${app} setApp=${setApp} onClose=${() => setRenaming(false)} />`}`;
}

function Switch({ app, setApp }) {
  const { enabled } = app.settings;
  const turn = () => enabled
    ? confirm({ title: "Switch the app off?", body: "Every session ends at once, and nobody logs in or mints until it is switched on again.", yes: "Switch off", type: app.settings.name, act: () => change(app, setApp, { enabled: false }) })
    : confirm({ title: "Switch the app on?", body: "Its users log in and its tokens are minted again from now on.", yes: "Switch on", kind: "primary", act: async () => {
      await change(app, setApp, { enabled: true });
      toast("The app serves again.");
    } });
  return html`<${Button} onClick=${() => void turn()}>${enabled ? "Switch off" : "Switch on"}<//>`;
}

function Rename({ app, setApp, onClose }) {
  const [name, setName] = useState(app.settings.name);
  const [error, setError] = useState();
  const send = async (event) => {
    event.preventDefault();
    try {
      const before = app.settings.name;
      const changed = await change(app, setApp, { name });
      onClose();
      toast("Renamed.", { undo: () => change(changed, setApp, { name: before }) });
    } catch (fault) {
      setError(fault);
    }
  };
  return html`<${Dialog} title="Rename" onClose=${onClose}><form class="form" novalidate onSubmit=${send}>
    <${Text} label="Name" value=${name} onValue=${setName} maxlength="255" error=${error?.message} autofocus />
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} kind="primary" type="submit" disabled=${!name.trim()}>Rename<//></footer>
  </form><//>`;
}

function Ring({ app }) {
  const ring = useLoad(() => get(url`/v1/apps/${app.app_id}/secrets`), [app.app_id, app.version]);
  const live = ring.value?.secrets.filter(({ state }) => state !== "ended");
  return html`<${Card} title="Server secrets" actions=${html`<${Button} small href=${href(`/apps/${app.app_id}/secrets`)}>The ring<//>`}>
    ${ring.error ? html`<${Failed} error=${ring.error} retry=${ring.reload} />` : !live ? html`<${Loading} rows=${2} />` : html`<ul class="stack">${live.map((secret) => html`<li class="row" key=${secret.secret_id}>
      <${Badge} kind=${secret.state === "active" ? "good" : "warn"}>${secret.state}<//><${Mono}>${secret.fingerprint}<//>
      <span class="soft">${secret.state === "active" ? html`made <${When} at=${secret.created_at} />` : html`ends <${When} at=${secret.valid_until} />`}</span></li>`)}</ul>`}
  <//>`;
}

function Mode({ app, setApp, mayChange }) {
  const { mode } = app.settings;
  const [wanted, setWanted] = useState(mode);
  const save = async () => {
    const changed = await change(app, setApp, { mode: wanted });
    toast(`Clients now show: ${MODES[wanted].short}.`, { undo: () => change(changed, setApp, { mode }).then(() => setWanted(mode)) });
    return changed;
  };
  const sure = () => confirm({ title: `Switch to ${MODES[wanted].name}?`, body: "It holds for the next login on; who is in a room stays there. It can be switched back at any time.", yes: "Switch", kind: "primary", act: save });
  return html`<${Card} title="How clients authenticate" about="Holds for logins from now on; who is in a room stays.">
    <${Choices} legend=${html`<span class="hidden">Mode</span>`} value=${wanted} onValue=${setWanted} options=${choices(MODES)} disabled=${!mayChange} />
    ${wanted !== mode && html`<${Preview} app=${app} mode=${wanted} />
      <div class="actions"><${Button} kind="primary" onClick=${sure}>Switch to ${MODES[wanted].name}<//><${Button} onClick=${() => setWanted(mode)}>Stay with ${MODES[mode].name}<//></div>`}
    ${!mayChange && html`<${Others} mode=${mode} app=${app} />`}
  <//>`;
}

/** Who may not switch may still see what switching would do. */
function Others({ app, mode }) {
  const [shown, show] = useState();
  const others = Object.keys(MODES).filter((one) => one !== mode);
  return html`<div class="row"><span class="soft">Who would be refused in</span>${others.map((one) => html`<${Button} small key=${one} aria-pressed=${shown === one ? "true" : "false"} onClick=${() => show(one)}>${MODES[one].name}<//>`)}</div>
    ${shown && html`<${Preview} app=${app} mode=${shown} />`}`;
}

const REASONS = {
  app_sign_refused: "showed an AppSign and no token",
  app_sign_missing: "showed no AppSign",
  proof: "showed a wrong AppSign",
  expired: "came in by AppSign beside an expired token",
};

function Preview({ app, mode }) {
  const preview = useLoad(() => get(url`/v1/apps/${app.app_id}/mode-preview`, { mode, days: 7 }), [app.app_id, mode]);
  if (preview.error) return html`<${Fault} error=${preview.error} />`;
  if (!preview.value || preview.loading) return html`<${Loading} rows=${2} label="Looking at the logins of the last days" />`;
  const { logins, users, refused, users_refused, unsure, reasons, shut_out, since, complete } = preview.value;
  const range = complete ? "in the last 7 days" : html`since <${Moment} at=${since} />`;
  if (!logins) return html`<${Note} title="Nobody has logged in ${range}">So there is nothing to judge by.<//>`;
  return html`<div class="stack" role="status">
    <${Note} kind=${refused ? "warn" : "good"} title=${refused ? `${count(users_refused)} of ${count(users)} users would be refused` : "Nobody would be refused"}>
      <p>${count(logins)} ${logins === 1 ? "login was" : "logins were"} let in ${range}; ${MODES[mode].name} would have refused ${refused ? html`<b>${count(refused)}</b>` : "none"}.
      ${unsure > 0 && ` Of ${count(unsure)} the records do not say enough.`}</p>
      ${refused > 0 && html`<ul>${Object.entries(reasons).map(([reason, logins]) => html`<li key=${reason}>${count(logins)} × ${REASONS[reason] ?? html`token was refused: <code>${reason}</code>`}</li>`)}</ul>`}
    <//>
    ${shut_out.length > 0 && html`<details><summary>Who: the latest ${shut_out.length}</summary>
      <${Table} label="Users who would be refused" rows=${shut_out} keyOf=${({ user_id }) => user_id} columns=${[
        { label: "User", wide: true, cell: ({ user_id }) => html`<${Mono}>${user_id}<//>` },
        { label: "Room", cell: ({ room_id }) => html`<${Mono}>${room_id}<//>` },
        { label: "Last login", cell: ({ at }) => html`<${When} at=${at} />` },
        { label: "Why", cell: ({ reason }) => html`<code>${reason}</code>` },
      ]} /></details>`}
  </div>`;
}
