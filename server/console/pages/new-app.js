// Making an app, or taking one over with the credentials that it has elsewhere.

import { html, useState } from "../lib/view.js";
import { post } from "../api.js";
import { go, href, setQuery } from "../router.js";
import { Button, Card, Check, Choices, Code, Fault, Form, Note, PageHead, Tabs, Text, errorAt } from "../ui/kit.js";
import { MODES, choices } from "../lib/words.js";

export const title = "New app";

const FIELDS = ["settings.name", "app_id", "import.server_secret", "import.app_sign", "import.cbc_secret", "settings.mode"];

export default function NewApp({ query }) {
  const [kind, setKind] = useState(query.get("kind") === "import" ? "import" : "new");
  const [made, setMade] = useState();
  if (made) return html`<${Made} made=${made} isImport=${kind === "import"} />`;
  const choose = (kind) => {
    setKind(kind);
    setQuery({ kind: kind === "import" ? "import" : undefined });
  };
  return html`<${PageHead} title="New app" about="Credentials are made with it and shown once." />
    <${Card}><${Tabs} label="Kind" tabs=${[["new", "New"], ["import", "Import"]]} value=${kind} onValue=${choose}>
      <${Make} key=${kind} isImport=${kind === "import"} onMade=${setMade} />
    <//><//>`;
}

function Make({ isImport, onMade }) {
  const [name, setName] = useState("");
  const [appId, setAppId] = useState("");
  const [mode, setMode] = useState("token_preferred");
  const [serverSecret, setServerSecret] = useState("");
  const [appSign, setAppSign] = useState("");
  const [cbcSecret, setCbcSecret] = useState("");
  const [cbc, setCbc] = useState(false);
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    setError(undefined);
    const settings = { name, mode };
    if (cbc) Object.assign(settings, { formats: ["token04_gcm", "token04_cbc"], cbc_policy: "issued_only" });
    const credentials = { server_secret: serverSecret.trim(), ...(appSign && { app_sign: appSign.trim() }), ...(cbc && cbcSecret && { cbc_secret: cbcSecret.trim() }) };
    try {
      onMade(await post("/v1/apps", {
        ...(appId && { app_id: Number(appId) }),
        settings,
        ...(isImport && { import: credentials }),
        ...(cbc && { acknowledge_cbc: true }),
      }));
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  const field = (name) => errorAt(error, name);
  const ready = name.trim() && (!isImport || (appId && serverSecret));
  return html`<${Form} onSend=${send} label=${isImport ? "Import" : "New app"}>
    <div class="two">
      <${Text} label="Name" hint="What people call it." value=${name} onValue=${setName} error=${field("settings.name")} maxlength="255" autofocus />
      <${Text} label="AppID" optional=${!isImport} hint=${isImport ? "The number it has elsewhere: tokens name it." : "A free number is taken if you leave this empty."} value=${appId}
        onValue=${(text) => setAppId(text.replace(/\D/g, ""))} error=${field("app_id")} inputmode="numeric" maxlength="10" mono />
    </div>
    ${isImport && html`
      <${Note}>Tokens are then good on both sides: what your present generator makes is taken here, and the reverse.<//>
      <div class="two">
        <${Text} label="Server secret" hint="32 characters." value=${serverSecret} onValue=${setServerSecret} error=${field("import.server_secret")} maxlength="64" mono />
        <${Text} label="AppSign" optional hint="64 hexadecimal digits. A new one is made if you leave this empty." value=${appSign} onValue=${setAppSign} error=${field("import.app_sign")} maxlength="128" mono />
      </div>
      <${Check} label="Old generators make AES-CBC tokens" hint="CBC is not authenticated, so by default only tokens that were minted here are taken. See Formats and policies afterwards." checked=${cbc} onValue=${setCbc} />
      ${cbc && html`<${Text} label="Secret for CBC tokens" hint="32 characters, another than the server secret." value=${cbcSecret} onValue=${setCbcSecret} error=${field("import.cbc_secret")} maxlength="64" mono />`}`}
    <${Choices} legend="How clients authenticate" hint="Can be switched at any time; you see first whom that would shut out." value=${mode} onValue=${setMode} options=${choices(MODES)} error=${field("settings.mode")} />
    ${error && !FIELDS.includes(error.field) && html`<${Fault} error=${error} />`}
    <div class="actions"><${Button} type="submit" kind="primary" busy=${busy} disabled=${!ready}>${isImport ? "Import" : "Make the app"}<//><${Button} href=${href("/")}>Cancel<//></div>
  <//>`;
}

function Made({ made, isImport }) {
  const { app, app_sign, server_secret, cbc_secret } = made;
  const [kept, setKept] = useState(false);
  return html`<${PageHead} title=${`${app.settings.name} is ready`} about=${html`AppID <b class="mono">${app.app_id}</b>`} />
    <${Card} title=${isImport ? "Its credentials" : "Keep these now"} about=${isImport ? "As you gave them, and what was made besides." : "The server secret is not shown again. Whoever has it makes tokens for anybody."}>
      <${Code} label="Server secret" text=${server_secret} />
      ${cbc_secret && html`<${Code} label="Secret for CBC tokens" text=${cbc_secret} />`}
      <${Code} label="AppSign" text=${app_sign} />
      ${app.warnings?.map((warning) => html`<${Note} kind="warn" key=${warning}>${warning}<//>`)}
      <${Check} label="I have put the server secret where my backend finds it, and nobody else." checked=${kept} onValue=${setKept} />
      <div class="actions"><${Button} kind="primary" disabled=${!kept} onClick=${() => go(`/apps/${app.app_id}`)}>Go to the app<//>
        <${Button} disabled=${!kept} onClick=${() => go(`/apps/${app.app_id}/keys`)}>Make a backend key<//></div>
    <//>`;
}
