// Signing in with name, password and the code of an authenticator app.

import { html, useEffect, useState } from "../lib/view.js";
import { get, post } from "../api.js";
import { go } from "../router.js";
import { begin, session } from "../session.js";
import { Button, Fault, Form, Note, Password, Text } from "../ui/kit.js";

export const title = "Sign in";

export default function SignIn({ query }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [totp, setTotp] = useState("");
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const [isSetUp, setSetUp] = useState(true);
  const asked = query.get("next");
  const next = asked && /^\/[a-z]/.test(asked) ? asked : "/";
  useEffect(() => {
    if (session.get()) return go(next, { replace: true });
    get("/v1/admin/setup").then(({ done }) => setSetUp(done), () => {});
  }, []);
  const send = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const answer = await post("/v1/admin/sign-in", { name, password, totp }, { quiet: true });
      go(next, { replace: true });
      begin(answer);
    } catch (fault) {
      setError(fault.status === 401 ? Object.assign(fault, { message: "Name, password or code is wrong. A code works once: wait for the next one." }) : fault);
      setTotp("");
      setBusy(false);
    }
  };
  return html`<section class="card gate">
    <h1 tabindex="-1">Sign in</h1>
    ${!isSetUp && html`<${Note} title="Nobody can sign in yet">The first owner is made with a set-up link, which the server prints: <code>roompass serve --setup</code>, <code>roompass dev</code> or <code>roompass admin setup-link</code>.<//>`}
    <${Form} onSend=${send} label="Sign in">
      <${Text} label="Name" value=${name} onValue=${setName} name="username" autocomplete="username" autocapitalize="none" autofocus />
      <${Password} value=${password} onValue=${setPassword} name="password" autocomplete="current-password" />
      <${Text} label="Code" hint="Six digits from your authenticator app." value=${totp} onValue=${setTotp} name="totp" inputmode="numeric" autocomplete="one-time-code" maxlength="6" mono />
      ${error && html`<${Fault} error=${error} />`}
      <${Button} type="submit" kind="primary" class="whole" busy=${busy} disabled=${!name || !password || totp.length < 6}>Sign in<//>
    <//>
  </section>`;
}
