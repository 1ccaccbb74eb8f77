// What an operator does to live rooms: each asks first, says what it does to whom, and says what has become of it.

import { html, useState } from "../../lib/view.js";
import { post, url } from "../../api.js";
import { Area, Check, Checks, Length, Text, confirm, count, toast } from "../../ui/kit.js";

const WITHHOLDABLE = [["publish", "Publish", "Running streams are stopped."], ["play", "Play", "Further streams cannot be played."]];

/** A question with fields: `fields` draws them; `act` gets their values. */
function ask({ fields, values, act, ...question }) {
  let present = values;
  const Body = () => {
    const [state, setState] = useState(values);
    const set = (change) => setState((before) => (present = { ...before, ...change }));
    return html`<div class="stack">${fields(state, set)}</div>`;
  };
  return confirm({ ...question, body: html`<${Body} />`, act: () => act(present) });
}

/** Says so if not every node was reached. */
const warn = (unreached) => unreached && toast("Not every node was reached: look again whether it is done.", { bad: true });

const reasonField = (state, set) => html`<${Text} label="Reason" optional hint="The user is told." maxlength="255" value=${state.reason} onValue=${(reason) => set({ reason })} />`;

/** Removes one session. */
export function kick(appId, { session_id, user_id, room_id, auth }) {
  return ask({
    title: `Kick ${user_id}?`,
    yes: "Kick",
    values: { reason: "", keep: false, secs: undefined },
    fields: (state, set) => html`
      <p>Ends this stay in <b class="mono">${room_id}</b> at once, with its streams.</p>
      ${reasonField(state, set)}
      ${auth === "token"
        ? html`<${Check} label="Leave the token good" hint="Then the user may come back with it at once." checked=${state.keep} onValue=${(keep) => set({ keep })} />`
        : html`<p class="soft">This user came by AppSign, without a token: only a ban keeps them out.</p>`}
      <${Length} label="Ban from this room for" optional seconds=${state.secs} onValue=${(secs) => set({ secs })} hint="Whatever token they show." />`,
    act: async ({ reason, keep, secs }) => {
      const { session_ids, revoked_tokens, unreached } = await post(url`/v1/apps/${appId}/sessions/kick`, { session_id, reason: reason || undefined, keep_token: keep || undefined, ban_secs: secs });
      toast(session_ids.length ? `${user_id} is out${revoked_tokens ? ", the token is revoked" : ""}.` : `${user_id} was gone already.`);
      warn(unreached);
    },
  });
}

/** Keeps a user out, from one room or all. */
export function ban(appId, { user_id, room_id }) {
  return ask({
    title: `Ban ${user_id}?`,
    yes: "Ban",
    values: { reason: "", everywhere: false, secs: 3600 },
    fields: (state, set) => html`
      <p>Removes the user at once and keeps them out of <b class="mono">${state.everywhere ? "every room of the app" : room_id}</b>, whatever token they show.</p>
      <${Check} label="From every room of the app" checked=${state.everywhere} onValue=${(everywhere) => set({ everywhere })} />
      <${Length} label="For" optional seconds=${state.secs} onValue=${(secs) => set({ secs })} hint="Until lifted, if left out." />
      ${reasonField(state, set)}`,
    act: async ({ reason, everywhere, secs }) => {
      await post(url`/v1/apps/${appId}/bans`, { user_id, room_id: everywhere ? undefined : room_id, duration_secs: secs, reason: reason || undefined });
      toast(`${user_id} is banned${everywhere ? "" : ` from ${room_id}`}. Bans are lifted on the page of bans.`);
    },
  });
}

/** Withholds privileges from a stay, or gives them back. */
export function changeRights(appId, { session_id, user_id, withheld = [] }) {
  return ask({
    title: `What ${user_id} may do`,
    yes: "Change it",
    kind: "primary",
    values: { withheld },
    fields: (state, set) => html`<p>Nobody gets more this way than their token grants.</p>
      <${Checks} legend="Withhold" value=${state.withheld} onValue=${(withheld) => set({ withheld })} options=${WITHHOLDABLE} />`,
    act: async (state) => {
      const change = (withhold) => post(url`/v1/apps/${appId}/sessions/withhold`, { session_id, withhold });
      await change(state.withheld);
      toast(state.withheld.length ? `${user_id} may no longer ${state.withheld.join(" or ")}.` : `${user_id} has everything back that the token grants.`, { undo: () => change(withheld) });
    },
  });
}

/** Says something to a room, or to one user in it. */
export function say(appId, { room_id, user_id }) {
  return ask({
    title: user_id ? `Say something to ${user_id}` : `Say something in ${room_id}`,
    yes: "Say it",
    kind: "primary",
    values: { text: "" },
    fields: (state, set) => html`<${Area} label="Text" value=${state.text} onValue=${(text) => set({ text })} maxlength="4096" hint=${user_id ? "Only this user hears it." : "Everybody who is in the room now hears it, and nobody later."} />`,
    act: async ({ text }) => {
      const { session_count } = await post(url`/v1/apps/${appId}/rooms/message`, { room_id, user_id, text });
      toast(`Said to ${count(session_count)} ${session_count === 1 ? "user" : "users"}.`);
    },
  });
}

/** Stops a stream. */
export function stopStream(appId, { stream_id, user_id }) {
  return confirm({
    title: `Stop ${stream_id}?`,
    body: html`<p>Ends this stream of <b class="mono">${user_id}</b> at once. They may start it again: withhold the right to publish, to prevent that.</p>`,
    yes: "Stop it",
    act: async () => {
      await post(url`/v1/apps/${appId}/streams/stop`, { stream_id });
      toast(`${stream_id} is stopped.`);
    },
  });
}

/** Removes everybody from a room. */
export function closeRoom(appId, room_id, users) {
  return ask({
    title: `Close ${room_id}?`,
    yes: "Close the room",
    values: { reason: "", keep: false },
    fields: (state, set) => html`
      <p>Removes ${users === 1 ? "the one user" : `all ${count(users)} users`} at once, with their streams.</p>
      ${reasonField(state, set)}
      <${Check} label="Leave the tokens good" hint="Then they may come back with them at once." checked=${state.keep} onValue=${(keep) => set({ keep })} />`,
    act: async ({ reason, keep }) => {
      const { session_ids, unreached } = await post(url`/v1/apps/${appId}/rooms/close`, { room_id, reason: reason || undefined, keep_tokens: keep || undefined });
      toast(`${room_id} is closed: ${count(session_ids.length)} removed.`);
      warn(unreached);
    },
  });
}
