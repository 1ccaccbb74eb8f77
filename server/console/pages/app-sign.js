// The AppSign of an app: what client builds carry. Shown on request, which is on record; replaced with an overlap.

import { html, useState } from "../lib/view.js";
import { get, post, url } from "../api.js";
import { can } from "../session.js";
import { Button, Card, Code, Fault, Length, Moment, Note, PageHead, When, confirm, count, errorAt, useLoad } from "../ui/kit.js";
import { useEvery } from "../lib/every.js";
import { duration, now } from "../lib/time.js";

export const title = "AppSign";

const MONTH = 30 * 86_400;

export default function AppSign({ app, reloadApp }) {
  const mayChange = can("admin", app.app_id);
  const [shown, setShown] = useState();
  const [error, setError] = useState();
  const [overlap, setOverlap] = useState(MONTH);
  // How they are used goes on while somebody looks, and changes no version. A node of an earlier version does not say.
  const latest = useLoad(() => get(url`/v1/apps/${app.app_id}`), [app.app_id, app.version]);
  useEvery(5_000, latest.follow);
  const [present, before] = (latest.value?.app ?? app).app_signs ?? [];
  const previous = before?.valid_until > now() ? before : undefined;
  const show = async () => {
    setError(undefined);
    try {
      setShown((await post(url`/v1/apps/${app.app_id}/app-sign/show`)).app_sign);
    } catch (fault) {
      setError(fault);
    }
  };
  const reset = () => confirm({
    title: "Make a new AppSign?",
    body: overlap
      ? `Builds with the present one go on for ${duration(overlap)}. After that they can only come in with a token, or not at all.`
      : "Every client build there is stops working by AppSign at once.",
    yes: "Make a new one",
    kind: overlap ? "primary" : "danger",
    type: overlap ? undefined : app.settings.name,
    act: async () => {
      const { app_sign } = await post(url`/v1/apps/${app.app_id}/app-sign/reset`, { overlap_secs: overlap });
      setShown(app_sign);
      reloadApp();
    },
  });
  const retire = () => confirm({
    title: "End the AppSign before?",
    body: html`<p>Builds that still have it can only come in with a token from now on, or not at all. Who is in a room stays there. ${previous.used_in_5_min > 0 && html`<b>${logins(previous.used_in_5_min)} used it in the last 5 minutes.</b>`}</p>`,
    yes: "End it",
    kind: "danger",
    type: previous.used_in_5_min > 0 ? app.settings.name : undefined,
    act: async () => {
      await post(url`/v1/apps/${app.app_id}/app-sign/retire`);
      reloadApp();
    },
  });
  return html`
    <${PageHead} title="AppSign" about="A fixed value inside a client build. It names the app and never expires, so it is no secret for long: prefer tokens, which your backend gives to one user at a time." />
    ${app.settings.mode === "token_only" && html`<${Note}>In the mode Token only, nobody comes in by AppSign.<//>`}
    <${Card} title="The present one">
      ${shown ? html`<${Code} label="AppSign" text=${shown} />` : html`<p class="soft">Not shown until you ask, and the audit trail says that you did.</p>`}
      ${present && html`<p><${Use} of=${present} /></p>`}
      ${previous && html`<${Note} kind="warn">The one before proves logins until <${Moment} at=${previous.valid_until} />, <${When} at=${previous.valid_until} />. <${Use} of=${previous} /> ${mayChange && html`<${Button} small onClick=${retire}>End it now<//>`}<//>`}
      ${error && html`<${Fault} error=${error} />`}
      ${mayChange && html`<div class="actions">${shown ? html`<${Button} onClick=${() => setShown(undefined)}>Hide<//>` : html`<${Button} onClick=${show}>Show<//>`}</div>`}
    <//>
    ${mayChange && html`<${Card} class="danger" title="Reset" about="A new AppSign is made; the present one goes on proving logins for a while, until old builds are out of use.">
      <${Length} label="The present one stays good for" hint=${previous ? "The one before it was promised until its date: end that first. 0 ends both at once." : "As long as builds with it are in use. 0 ends it at once."} seconds=${overlap} onValue=${setOverlap} units=${["h", "d"]} error=${errorAt(error, "overlap_secs")} />
      <div class="actions"><${Button} kind="danger" disabled=${overlap === undefined || Boolean(previous && overlap)} onClick=${reset}>Make a new AppSign<//></div>
    <//>`}`;
}

const logins = (number) => `${count(number)} ${number === 1 ? "login" : "logins"}`;

/** How often an AppSign was used, and when last. */
function Use({ of }) {
  if (of.used_count === 0) return "No login has used it so far.";
  return html`<span>Used by ${logins(of.used_count)}, last <${When} at=${of.last_used_at} />.</span>`;
}
