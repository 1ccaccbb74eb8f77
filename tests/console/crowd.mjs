// Very much of everything, for measuring: apps, records of the audit trail, users in rooms.

import { createRequire } from "node:module";

const { WebSocket } = createRequire(new URL("../../sdk/web/", import.meta.url))("ws");

const ROOMS = 60;
/** No more at once than one address may have waiting. */
const AT_ONCE = 30;

/** Makes apps, from a page of somebody who is signed in. */
export async function fill(page, wanted) {
  await page.evaluate(async (wanted) => {
    const { csrf_token: token } = await (await fetch("/v1/admin/session")).json();
    const headers = { "Content-Type": "application/json", "X-Roompass-Csrf": token };
    for (let made = 0; made < wanted; made += 6) {
      const some = Array.from({ length: Math.min(6, wanted - made) }, (_, at) => JSON.stringify({ settings: { name: `Project ${made + at} of somebody` } }));
      const answers = await Promise.all(some.map((body) => fetch("/v1/apps", { method: "POST", headers, body })));
      const failed = answers.find(({ ok }) => !ok);
      if (failed) throw new Error(await failed.text());
    }
  }, wanted);
}

/** A batch of mints: a record each, also of those that are refused. */
async function mintMany({ url, app_id: appId, backend_key: key }, items) {
  const response = await fetch(`${url}/v1/apps/${appId}/tokens/batch`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ items }),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).items;
}

/** Has records written: of mints, one in four of them refused, for one of two reasons. */
export async function record(server, lines) {
  const asked = (at) => (at % 8 === 0 ? { user_id: "no good id" } : at % 8 === 4 ? { user_id: "a", ttl_secs: 0 } : { user_id: `user-${at}`, room_id: `room-${at % ROOMS}` });
  for (let made = 0; made < lines; made += 1000) await mintMany(server, Array.from({ length: 1000 }, (_, at) => asked(at)));
}

/** Brings users into rooms, each with a stream; they stay. */
export async function gather(server, wanted) {
  for (let come = 0; come < wanted; come += 1000) {
    const users = Array.from({ length: Math.min(1000, wanted - come) }, (_, at) => ({ user_id: `live-${come + at}`, room_id: `room-${at % ROOMS}`, ttl_secs: 3600 }));
    const minted = await mintMany(server, users);
    for (let at = 0; at < users.length; at += AT_ONCE) await Promise.all(users.slice(at, at + AT_ONCE).map((user, index) => enter(server, user, minted[at + index].token)));
  }
}

function enter(server, { user_id: userId, room_id: roomId }, token) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(server.gateway_url, "roompass.v1");
    socket.on("error", reject);
    socket.on("message", (data) => {
      const { type } = JSON.parse(data);
      if (type === "hello") socket.send(JSON.stringify({ type: "login", id: 1, app_id: server.app_id, user_id: userId, user_name: userId, room_id: roomId, token }));
      if (type === "error") reject(new Error(String(data)));
      if (type === "logged_in") {
        socket.send(JSON.stringify({ type: "publish", id: 2, stream_id: `${userId}-camera` }));
        resolve();
      }
    });
  });
}
