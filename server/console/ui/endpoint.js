// The form of a webhook endpoint, for a new one and for changes.

import { html, useState } from "../lib/view.js";
import { Button } from "./button.js";
import { Check, Checks, Form, Text, errorAt } from "./form.js";
import { Fault } from "./states.js";

/** Every event an endpoint can be told of; those that are on unless it says otherwise first. */
export const EVENTS = [
  ["refused", "Something was refused"], ["revoked", "Tokens were revoked"], ["banned", "Somebody was banned"], ["ban_lifted", "A ban was lifted"],
  ["secret_rotated", "The secret was rotated"], ["secret_retired", "A secret was ended"], ["secret_expiring", "A secret ends within a day"],
  ["app_sign_reset", "The AppSign was reset"], ["app_changed", "Settings were changed"], ["app_disabled", "The app was switched off"],
  ["minted", "A token was minted"], ["room_opened", "A room opened"], ["room_closed", "A room closed"], ["user_entered", "A user entered"], ["user_left", "A user left"],
  ["stream_started", "A stream began"], ["stream_stopped", "A stream ended"],
];
const USUAL = EVENTS.slice(0, 10).map(([name]) => name);

export function EndpointForm({ endpoint, onSend, onCancel, yes }) {
  const [address, setAddress] = useState(endpoint?.url ?? "https://");
  const [description, setDescription] = useState(endpoint?.description ?? "");
  const [events, setEvents] = useState(endpoint?.events.filter((name) => name !== "test") ?? USUAL);
  const [isPrivate, setPrivate] = useState(endpoint?.private_network ?? false);
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await onSend({ url: address.trim(), description, events, private_network: isPrivate });
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  const at = (name) => errorAt(error, name);
  return html`<${Form} onSend=${send} label="Endpoint">
    <${Text} label="Address" hint="https://…, without user, password or fragment." value=${address} onValue=${setAddress} error=${at("url")} type="url" maxlength="2048" mono autofocus />
    <${Text} label="What it is for" optional value=${description} onValue=${setDescription} error=${at("description")} maxlength="255" />
    <${Checks} legend="Events" value=${events} onValue=${setEvents} options=${EVENTS} error=${at("events")} />
    <${Check} label="It is in a private network" hint="Only in networks that the server's configuration lists." checked=${isPrivate} onValue=${setPrivate} />
    ${at("private_network") && html`<p class="error" role="alert">${at("private_network")}</p>`}
    ${error && !["url", "description", "events", "private_network"].some(at) && html`<${Fault} error=${error} />`}
    <footer class="actions"><${Button} onClick=${onCancel}>Cancel<//><${Button} type="submit" kind="primary" busy=${busy} disabled=${!address.trim() || events.length === 0}>${yes}<//></footer>
  <//>`;
}
