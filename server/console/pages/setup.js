// What a set-up link opens: an invitation becomes an admin. The code is behind the `#` of the address, which browsers
// send to nobody; it is taken from there at once.

import { html, useEffect, useState } from "../lib/view.js";
import { get, post } from "../api.js";
import { go } from "../router.js";
import { begin } from "../session.js";
import { Button, Fault, Form, Password, Text, errorAt } from "../ui/kit.js";
import { Enrol } from "../ui/enrol.js";

export const title = "Set up";

export default function Setup() {
  const [code, setCode] = useState("");
  const [enrolment, setEnrolment] = useState();
  const [isFirst, setFirst] = useState(false);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [totp, setTotp] = useState("");
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);

  const enter = async (code) => {
    setBusy(true);
    setError(undefined);
    try {
      setEnrolment(await post("/v1/admin/setup/begin", { code }, { quiet: true }));
    } catch (fault) {
      setError(fault.status === 401 ? Object.assign(fault, { message: "This code does not work: each works once, for 15 minutes, and a newer one voids it. Ask for a new link." }) : fault);
    }
    setBusy(false);
  };
  useEffect(() => {
    get("/v1/admin/setup").then(({ done }) => setFirst(!done), () => {});
    const code = location.hash.slice(1);
    if (!code) return;
    history.replaceState(null, "", location.pathname);
    setCode(code);
    enter(code);
  }, []);
  const finish = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const session = await post("/v1/admin/setup", { code, name, password, enrolment: enrolment.enrolment, totp }, { quiet: true });
      go("/", { replace: true });
      begin(session);
    } catch (fault) {
      setError(fault.status === 401 ? Object.assign(fault, { message: "The set-up code is not good any more: it was used, a newer one voids it, or its 15 minutes are over." }) : fault);
      setTotp("");
      setBusy(false);
    }
  };

  if (!enrolment) {
    return html`<section class="card gate"><h1 tabindex="-1">Set up</h1>
      <${Form} onSend=${() => enter(code)} label="Set-up code">
        <${Text} label="Set-up code" hint="The server's operator has it, or the owner who invited you: it is the end of the set-up link." value=${code} onValue=${setCode} mono autofocus />
        ${error && html`<${Fault} error=${error} />`}
        <${Button} type="submit" kind="primary" class="whole" busy=${busy} disabled=${!code}>Go on<//>
      <//></section>`;
  }
  return html`<section class="card gate wide"><h1 tabindex="-1">${isFirst ? "Welcome. You are the first owner" : "Welcome"}</h1>
    <p class="about">${isFirst ? "Choose how you sign in. Other people are invited from inside." : "Choose how you sign in."}</p>
    <${Form} onSend=${finish} label="Set up">
      <h2>1. Name and password</h2>
      <${Text} label="Name" hint="As in the invitation, if it named you: small letters, digits, and . _ @ -" value=${name} onValue=${setName} error=${errorAt(error, "name")} name="username" autocomplete="username" autocapitalize="none" autofocus />
      <${Password} hint="At least 12 characters; 15 or more are better. A few words that nobody else would put together do well." value=${password} onValue=${setPassword} error=${errorAt(error, "password")} name="password" autocomplete="new-password" />
      <h2>2. Second factor</h2>
      <${Enrol} enrolment=${enrolment} totp=${totp} onTotp=${setTotp} error=${error} />
      ${error && !["name", "password", "totp"].includes(error.field) && html`<${Fault} error=${error} />`}
      <${Button} type="submit" kind="primary" class="whole" busy=${busy} disabled=${!name || password.length < 12 || totp.length < 6}>Finish<//>
    <//></section>`;
}
