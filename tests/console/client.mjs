// Users of an app as they are: clients with the browser SDK, in Node, and their app's backend.

import { createHmac } from "node:crypto";
import { createRequire } from "node:module";

const sdk = new URL("../../sdk/web/", import.meta.url);
const { RoompassClient, browser } = await import(new URL("dist/index.js", sdk).href);
const { WebSocket } = createRequire(sdk)("ws");

/** What the backend of the app that `server` was started with does: has a token minted. */
export function mint(server, request) {
  return call(server, "/tokens", request);
}

async function call(server, path, request) {
  const response = await fetch(`${server.url}/v1/apps/${server.app_id}${path}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.backend_key}`, "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(body));
  return body;
}

const environment = { ...browser(), socket: (url, protocol) => new WebSocket(url, protocol) };

/** Asks, as that backend, whether a token is good. */
export async function introspect(server, token) {
  return (await call(server, "/tokens/introspect", { token })).active;
}

/** A client of that app, not in any room yet. */
export function client(server) {
  return new RoompassClient({ appId: server.app_id, server: server.url, environment });
}

/** A client that comes in by a proof of `appSign`, and without a token. */
export function byAppSign(server, appSign) {
  return new RoompassClient({ appId: server.app_id, server: server.url, environment, mode: "app_sign", loginProof: prover(appSign) });
}

/** What alone holds the AppSign, and proves that it does. */
export function prover(appSign) {
  return async ({ origin, appId, userId, roomId, challenge, timestamp }) => {
    const fields = [origin, `${appId}`, userId, roomId, Buffer.from(challenge, "base64"), `${timestamp}`].map((field) => Buffer.from(field));
    const lengths = fields.map((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      return length;
    });
    const message = Buffer.concat([Buffer.from("appsign-login-v1"), ...fields.flatMap((field, at) => [lengths[at], field])]);
    return createHmac("sha256", appSign).update(message).digest("base64");
  };
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
    const timer = setTimeout(() => reject(new Error(`no ${name} within 60 s`)), 60_000);
    const off = from.on(name, (event) => {
      clearTimeout(timer);
      off();
      resolve(event);
    });
  });
}
