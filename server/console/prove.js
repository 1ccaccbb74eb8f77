// Asks for password and code again, before what needs a recent sign-in. The request that was refused goes on after it.

import { html, useState } from "./lib/view.js";
import { store, useStore } from "./lib/store.js";
import { post } from "./api.js";
import { begin, session } from "./session.js";
import { Button, Dialog, Fault, Form, Password, Text } from "./ui/kit.js";

const asked = store(null);

/** Resolves to whether the admin has proven themselves. Asks once, however many requests wait for it. */
export function askToProve() {
  if (!asked.get()) {
    let answer;
    const promise = new Promise((resolve) => (answer = resolve));
    asked.set({ promise, answer });
  }
  return asked.get().promise;
}

/** The dialog: once, in the frame. */
export function Prove() {
  const question = useStore(asked);
  return question && html`<${Question} answer=${question.answer} />`;
}

function Question({ answer }) {
  const [password, setPassword] = useState("");
  const [totp, setTotp] = useState("");
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const close = (proven) => {
    asked.set(null);
    answer(proven);
  };
  const send = async () => {
    setBusy(true);
    try {
      begin({ ...session.get(), ...(await post("/v1/admin/re-authenticate", { password, totp }, { quiet: true })) });
      close(true);
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  return html`<${Dialog} title="Is it still you?" onClose=${() => close(false)}>
    <${Form} onSend=${send} label="Prove it again">
      <p>Secrets, rotation and roles need a sign-in of the last minutes.</p>
      <input type="text" name="username" autocomplete="username" value=${session.get()?.name} hidden readonly />
      <${Password} value=${password} onValue=${setPassword} autocomplete="current-password" autofocus />
      <${Text} label="Code" hint="What your authenticator app shows now." value=${totp} onValue=${setTotp} inputmode="numeric" autocomplete="one-time-code" maxlength="6" mono />
      ${error && html`<${Fault} error=${error} />`}
      <footer class="actions"><${Button} onClick=${() => close(false)}>Cancel<//><${Button} type="submit" kind="primary" busy=${busy} disabled=${!password || totp.length < 6}>Go on<//></footer>
    <//>
  <//>`;
}
