// The admin's own account: where they are signed in, password, second factor.

import { html, useState } from "../lib/view.js";
import { get, post, put, remove, url } from "../api.js";
import { begin, roleOf, session } from "../session.js";
import { Badge, Button, Card, Dialog, Facts, Fault, Form, Loading, Mono, Note, PageHead, PagedTable, Password, When, confirm, errorAt, toast, useLoad, usePages } from "../ui/kit.js";
import { Enrol } from "../ui/enrol.js";
import { ROLES } from "../lib/words.js";

export const title = "Account";

const PAGE = 25;

export default function Account() {
  const who = session.get();
  const [dialog, setDialog] = useState();
  const role = roleOf(who.roles);
  const apps = Object.entries(who.roles.apps ?? {});
  return html`
    <${PageHead} title=${who.name} about=${role ? `${ROLES[role].name}: ${ROLES[role].meaning.toLowerCase()}` : "Roles in single apps only."} />
    <div class="columns">
      <${Card} title="How you sign in">
        <${Facts} facts=${[
          ["This session ends", html`<${When} at=${who.expire_at} />, or after 30 minutes without a request`],
          ["In single apps", apps.length ? apps.map(([appId, role]) => `${appId} ${role}`).join(", ") : undefined],
        ]} />
        <div class="actions"><${Button} onClick=${() => setDialog("password")}>Change password<//><${Button} onClick=${() => setDialog("totp")}>New second factor<//></div>
      <//>
    </div>
    <${Sessions} />
    ${dialog === "password" && html`<${NewPassword} onClose=${() => setDialog(undefined)} />`}
    ${dialog === "totp" && html`<${NewFactor} onClose=${() => setDialog(undefined)} />`}`;
}

function Sessions() {
  const sessions = usePages(async (begin = 0) => {
    const { sessions: all } = await get("/v1/admin/sessions");
    return { rows: all.slice(begin, begin + PAGE), cursor: begin + PAGE < all.length ? begin + PAGE : undefined, all };
  }, []);
  const all = sessions.value?.all ?? [];
  const others = all.filter(({ current }) => !current);
  const end = async (ended) => {
    for (const { session_id } of ended) await remove(url`/v1/admin/sessions/${session_id}`);
  };
  const everywhere = () => confirm({
    title: "Sign out everywhere?",
    body: `All ${all.length} sessions end, this one last. Sign in again afterwards.`,
    yes: "Sign out everywhere",
    act: async () => {
      await end(others);
      await post("/v1/admin/sign-out");
      begin(null);
    },
  });
  const one = (session) => confirm({
    title: "End this session?",
    body: `It was begun from ${session.source}.`,
    yes: "End it",
    act: async () => {
      await end([session]);
      toast("The session has ended.");
      sessions.reload();
    },
  });
  return html`<${Card} title="Where you are signed in" actions=${all.length > 0 && html`<${Button} onClick=${everywhere}>Sign out everywhere<//>`}>
    <${PagedTable} label="Sessions" pages=${sessions} keyOf=${({ session_id }) => session_id} columns=${[
      { label: "From", wide: true, cell: ({ source, current }) => html`<${Mono}>${source}<//> ${current && html`<${Badge} kind="accent">this one<//>`}` },
      { label: "Signed in", cell: ({ created_at }) => html`<${When} at=${created_at} />` },
      { label: "Last used", cell: ({ seen_at }) => html`<${When} at=${seen_at} />` },
      { label: "Ends", cell: ({ expire_at }) => html`<${When} at=${expire_at} />` },
      { label: "Actions", bare: true, end: true, cell: (session) => !session.current && html`<${Button} small onClick=${() => one(session)}>End<//>` },
    ]} />
  <//>`;
}

/** Both changes end every session of the admin, this one too. */
const again = (text) => {
  begin(null);
  toast(text);
};

function NewPassword({ onClose }) {
  const [password, setPassword] = useState("");
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await post("/v1/admin/password", { password });
      again("The password is changed. Sign in with it.");
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  return html`<${Dialog} title="Change password" onClose=${onClose}><${Form} onSend=${send} label="Change password">
    <input type="text" name="username" autocomplete="username" value=${session.get()?.name} hidden readonly />
    <${Password} label="New password" hint="At least 12 characters; 15 or more are better." value=${password} onValue=${setPassword} error=${errorAt(error, "password")} autocomplete="new-password" autofocus />
    <${Note}>You are signed out everywhere, here too.<//>
    ${error && error.field !== "password" && html`<${Fault} error=${error} />`}
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind="primary" busy=${busy} disabled=${password.length < 12}>Change<//></footer>
  <//><//>`;
}

function NewFactor({ onClose }) {
  const enrolment = useLoad(() => post("/v1/admin/totp"), []);
  const [totp, setTotp] = useState("");
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await put("/v1/admin/totp", { enrolment: enrolment.value.enrolment, totp });
      again("The second factor is changed. Sign in with it.");
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  return html`<${Dialog} title="New second factor" wide onClose=${onClose}><${Form} onSend=${send} label="New second factor">
    ${enrolment.error ? html`<${Fault} error=${enrolment.error} />` : !enrolment.value ? html`<${Loading} />` : html`<${Enrol} enrolment=${enrolment.value} totp=${totp} onTotp=${setTotp} error=${error} />`}
    <${Note}>The one before stops working, and you are signed out everywhere, here too.<//>
    ${error && error.field !== "totp" && html`<${Fault} error=${error} />`}
    <footer class="actions"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind="primary" busy=${busy} disabled=${totp.length < 6}>Change<//></footer>
  <//><//>`;
}
