// Users of an app as they are: clients with the browser SDK, in Node, and their app's backend.

import { createRequire } from "node:module";

const sdk = new URL("../../sdk/web/", import.meta.url);
const { RoompassClient, browser } = await import(new URL("dist/index.js", sdk).href);
const { WebSocket } = createRequire(sdk)("ws");

/** What the backend of the app that `server` was started with does: has a token minted. */
export async function mint(server, request) {
  const response = await fetch(`${server.url}/v1/apps/${server.app_id}/tokens`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.backend_key}`, "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(body));
  return body;
}

/** A client of that app, not in any room yet. */
export function client(server) {
  const environment = { ...browser(), socket: (url, protocol) => new WebSocket(url, protocol) };
  return new RoompassClient({ appId: server.app_id, server: server.url, environment });
}

/** Somebody in a room, with a token of their own. */
export async function enter(server, userId, roomId, more = {}) {
  const { token } = await mint(server, { user_id: userId, room_id: roomId, ttl_secs: 600, ...more });
  const user = client(server);
  await user.loginRoom(roomId, { userId, userName: userId }, { token });
  return user;
}

/** The next event of this name. */
export function next(from, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within 15 s`)), 15_000);
    const off = from.on(name, (event) => {
      clearTimeout(timer);
      off();
      resolve(event);
    });
  });
}
