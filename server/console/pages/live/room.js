// One room: who is in it, what they send, and what an operator can do about it.

import { html } from "../../lib/view.js";
import { get, url } from "../../api.js";
import { useAgain } from "../../lib/every.js";
import { Button, Card, Empty, Failed, Loading, count, useLoad } from "../../ui/kit.js";
import { closeRoom, say } from "./acts.js";
import { People } from "./sessions.js";
import { Streams } from "./streams.js";

export function Room({ appId, roomId, turn, isLive, mayAct, onBack }) {
  const room = useLoad(() => get(url`/v1/apps/${appId}/room`, { room_id: roomId }), [appId, roomId]);
  useAgain(room, turn);
  const back = html`<${Button} small kind="quiet" icon="back" onClick=${onBack}>All rooms<//>`;
  if (room.error?.status === 404) return html`<div>${back}</div><${Empty} icon="live" title="Nobody is in this room">It is empty now. It appears again when somebody logs in to it.<//>`;
  if (room.error) return html`<div>${back}</div><${Failed} error=${room.error} retry=${room.reload} />`;
  if (!room.value) return html`<${Loading} rows=${5} />`;
  const { users, streams } = room.value;
  const acts = mayAct && html`<${Button} small onClick=${() => void say(appId, { room_id: roomId })}>Say something<//>
    <${Button} small kind="danger" onClick=${() => void closeRoom(appId, roomId, users.length)}>Close the room<//>`;
  return html`<div>${back}</div>
    <${Card} title=${html`Room <span class="mono">${roomId}</span>`} about=${`${count(users.length)} in it, ${count(streams.length)} ${streams.length === 1 ? "stream" : "streams"}`} actions=${acts}>
      <h3>Users</h3>
      <${People} appId=${appId} roomId=${roomId} turn=${turn} mayAct=${mayAct} />
      <h3>Streams</h3>
      <${Streams} appId=${appId} roomId=${roomId} turn=${turn} isLive=${isLive} mayAct=${mayAct} />
    <//>`;
}
