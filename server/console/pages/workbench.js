// The token workbench: makes tokens to try, takes any token apart, and says why it would be refused.
//
// Taking apart is done by this page alone. Only the button sends the token, in a request body, to the server of the app
// whose token it is; it is put into no address and kept nowhere.

import { html, useMemo, useState } from "../lib/view.js";
import { decode } from "../lib/decode.js";
import { now, useNow } from "../lib/time.js";
import { can } from "../session.js";
import { Area, Button, Card, Note, PageHead } from "../ui/kit.js";
import { Bytes } from "./workbench/bytes.js";
import { Explain } from "./workbench/explain.js";
import { Mint } from "./workbench/mint.js";
import { Findings, Shown } from "./workbench/shown.js";

export const title = "Token workbench";

export default function Workbench({ params, app }) {
  const [text, setText] = useState("");
  const [minted, setMinted] = useState();
  const [minting, setMinting] = useState(false);
  const moment = useNow(1000);
  const seen = useMemo(() => (text ? decode(text, now()) : undefined), [text, text && Math.floor(moment / 10)]);
  const made = (answer) => {
    setMinting(false);
    setMinted(answer);
    setText(answer.kit_token ?? answer.token);
  };
  const mint = can("admin", params.appId) && html`<${Button} kind="primary" icon="plus" onClick=${() => setMinting(true)}>Mint a token<//>`;
  return html`
    <${PageHead} title="Token workbench" about="Does a token work, and if not, what has to change? Mint one to try, or paste any.">${mint}<//>
    <${Card} title="The token" about="Paste a token or a Kit Token, as the client has it."
        actions=${text && html`<${Button} small kind="quiet" icon="close" onClick=${() => { setText(""); setMinted(undefined); }}>Clear<//>`}>
      <${Area} label="Token" mono rows=${4} value=${text} onValue=${setText} placeholder="04AAAA…" maxlength="120000" data-1p-ignore />
      ${minted && text === (minted.kit_token ?? minted.token) && html`<${Note} kind="good" title="A token to try">It is good until it expires, for whoever has it: hand it to nobody else.<//>`}
      ${seen ? html`<${Findings} seen=${seen} use=${setText} />` : html`<p class="soft">It is taken apart here, in this page, while you paste: nothing is sent before you ask the server to explain.</p>`}
    <//>
    ${seen && html`<${Explain} key=${text} appId=${params.appId} app=${app} seen=${seen} moment=${moment} />`}
    ${seen?.fields.length > 0 && html`<${Card} title="Byte by byte" about=${html`<${ByPage} />`}>
      <${Shown} seen=${seen} moment=${moment} />
      <${Bytes} seen=${seen} />
    <//>`}
    ${minting && html`<${Mint} appId=${params.appId} app=${app} onDone=${made} onClose=${() => setMinting(false)} />`}`;
}

const ByPage = () => html`Decoded by this page alone, without the secret. Nothing was sent, and nothing here is proven: anybody can write a token that reads like this.`;
