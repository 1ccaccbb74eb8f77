// How soon the pages that watch can be used with a long audit trail and very many live users. No test: it is run by
// hand, and says what it measured.
//
//   roompass dev --json --setup --ephemeral --listen 127.0.0.1:0 | node tests/console/crowd.mjs 100000 5000

import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";

import { launch, server } from "../browser/launch.mjs";
import { Person, open, setUp, settled } from "./admin.mjs";

const { WebSocket } = createRequire(new URL("../../sdk/web/", import.meta.url))("ws");

const [LINES, USERS] = [Number(process.argv[2] ?? 100_000), Number(process.argv[3] ?? 5_000)];
const ROOMS = 60;
const ready = await server();
const { url, app_id: appId, setup_link: link } = ready;

/** A batch of mints: a record each, also of those that are refused. */
async function mintMany(items) {
  const response = await fetch(`${url}/v1/apps/${appId}/tokens/batch`, {
    method: "POST",
    headers: { Authorization: `Bearer ${ready.backend_key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ items }),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).items;
}

let begun = performance.now();
for (let made = 0; made < LINES; made += 1000) {
  // One in four is refused, for one of two reasons.
  await mintMany(Array.from({ length: 1000 }, (_, at) => (at % 8 === 0 ? { user_id: "no good id" } : at % 8 === 4 ? { user_id: "a", ttl_secs: 0 } : { user_id: `user-${at}`, room_id: `room-${at % ROOMS}` })));
}
console.log(`${LINES} records in ${((performance.now() - begun) / 1000).toFixed(1)} s`);

function enter({ user_id: userId, room_id: roomId }, token) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(ready.gateway_url, "roompass.v1");
    socket.on("error", reject);
    socket.on("message", (data) => {
      const { type } = JSON.parse(data);
      if (type === "hello") socket.send(JSON.stringify({ type: "login", id: 1, app_id: appId, user_id: userId, user_name: userId, room_id: roomId, token }));
      if (type === "error") reject(new Error(String(data)));
      if (type === "logged_in") {
        socket.send(JSON.stringify({ type: "publish", id: 2, stream_id: `${userId}-camera` }));
        resolve();
      }
    });
  });
}

begun = performance.now();
for (let come = 0; come < USERS; come += 1000) {
  const users = Array.from({ length: Math.min(1000, USERS - come) }, (_, at) => ({ user_id: `live-${come + at}`, room_id: `room-${at % ROOMS}`, ttl_secs: 3600 }));
  const minted = await mintMany(users);
  // No more at once than one address may have waiting.
  for (let at = 0; at < users.length; at += 30) await Promise.all(users.slice(at, at + 30).map((user, index) => enter(user, minted[at + index].token)));
}
console.log(`${USERS} users in ${ROOMS} rooms after ${((performance.now() - begun) / 1000).toFixed(1)} s`);

const browser = await launch();
const { page } = await open(browser, url);
await setUp(page, link, new Person("ada"));

/** From the request for the page to where everything on it is there and the browser has nothing left to do. */
async function measure(path) {
  const times = [];
  for (let round = 0; round < 5; round += 1) {
    begun = performance.now();
    await page.goto(`${url}/console${path}`);
    await settled(page);
    await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  console.log(`${path.padEnd(48)} ${times[2].toFixed(0).padStart(5)} ms, slowest ${times[4].toFixed(0).padStart(5)} ms`);
}

const root = `/apps/${appId}`;
const watched = ["/live", "/live?show=users", "/live?show=streams", "/live?room=room-7", "/refusals", "/refusals?range=2592000", "/audit", "/audit?result=refused", "/audit?reason=nonesuch", "/bans", "/workbench"];
for (const path of [...watched.map((path) => root + path), "/refusals?range=2592000", "/statistics", "/audit?result=refused"]) await measure(path);
await browser.close();
process.exit(0);
