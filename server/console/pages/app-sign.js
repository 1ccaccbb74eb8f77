// The AppSign of an app: what client builds carry. Shown on request, which is on record; replaced with an overlap.

import { html, useState } from "../lib/view.js";
import { post, url } from "../api.js";
import { can } from "../session.js";
import { Button, Card, Code, Fault, Length, Note, PageHead, When, confirm, errorAt } from "../ui/kit.js";
import { duration, now } from "../lib/time.js";

export const title = "AppSign";

const MONTH = 30 * 86_400;

export default function AppSign({ app, reloadApp }) {
  const mayChange = can("admin", app.app_id);
  const [shown, setShown] = useState();
  const [error, setError] = useState();
  const [overlap, setOverlap] = useState(MONTH);
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
    body: "Builds that still have it can only come in with a token from now on, or not at all. Who is in a room stays there.",
    yes: "End it",
    kind: "danger",
    act: async () => {
      await post(url`/v1/apps/${app.app_id}/app-sign/retire`);
      reloadApp();
    },
  });
  const until = app.previous_app_sign_until;
  const previous = until > now() ? until : undefined;
  return html`
    <${PageHead} title="AppSign" about="A fixed value inside a client build. It names the app and never expires, so it is no secret for long: prefer tokens, which your backend gives to one user at a time." />
    ${app.settings.mode === "token_only" && html`<${Note}>In the mode Token only, nobody comes in by AppSign.<//>`}
    <${Card} title="The present one">
      ${shown ? html`<${Code} label="AppSign" text=${shown} />` : html`<p class="soft">Not shown until you ask, and the audit trail says that you did.</p>`}
      ${previous && html`<${Note} kind="warn">The one before proves logins until <${When} at=${previous} /> from now. ${mayChange && html`<${Button} small onClick=${retire}>End it now<//>`}<//>`}
      ${error && html`<${Fault} error=${error} />`}
      ${mayChange && html`<div class="actions">${shown ? html`<${Button} onClick=${() => setShown(undefined)}>Hide<//>` : html`<${Button} onClick=${show}>Show<//>`}</div>`}
    <//>
    ${mayChange && html`<${Card} class="danger" title="Reset" about="A new AppSign is made; the present one goes on proving logins for a while, until old builds are out of use.">
      <${Length} label="The present one stays good for" hint=${previous ? "The one before it was promised until its date: end that first. 0 ends both at once." : "As long as builds with it are in use. 0 ends it at once."} seconds=${overlap} onValue=${setOverlap} units=${["h", "d"]} error=${errorAt(error, "overlap_secs")} />
      <div class="actions"><${Button} kind="danger" disabled=${overlap === undefined || Boolean(previous && overlap)} onClick=${reset}>Make a new AppSign<//></div>
    <//>`}`;
}
