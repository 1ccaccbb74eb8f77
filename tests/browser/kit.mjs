// The vendor's own web kit reads our Kit Tokens: who, which room and which name, whatever the name is made of. It is never
// let out to the vendor's hosts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { kept, launch, newPage, server } from "./launch.mjs";
import { Operator } from "./operator.mjs";

const KIT = readFileSync(createRequire(import.meta.url).resolve("@zegocloud/zego-uikit-prebuilt"));
const PAGE = '<!doctype html><meta charset="utf-8"><title>Kit</title><div id="root"></div><script src="/kit.js"></script>';
const NAMES = ["Ada", "Älice 漢字", "100 % + more", "she said \"hi\" & 'bye'", "🦀🦀", "a/b?c=d#e", "Ω≈ç√∫˜µ"];

const ready = await server();
const operator = new Operator(ready);
const browser = await launch();
const page = await newPage(browser);
await page.route(
  () => true,
  (route) => {
    const { origin, pathname } = new URL(route.request().url());
    if (origin !== ready.url) return route.abort();
    const script = pathname === "/kit.js";
    return route.fulfill({ contentType: script ? "text/javascript" : "text/html", body: script ? KIT : PAGE });
  },
);
// The kit may talk, and nobody hears it.
await page.routeWebSocket(
  () => true,
  () => {},
);
await page.goto(`${ready.url}/kit`);

for (const [number, name] of NAMES.entries()) {
  const [userId, roomId] = [`user-${number}`, `room-${number}`];
  const { token, kit_token: kitToken } = await operator.minted(userId, roomId, { kit: true, user_name: name });
  const read = await page.evaluate((kitToken) => {
    const kit = window.ZegoUIKitPrebuilt.create(kitToken);
    const { appID, userID, userName, token } = window.ZegoUIKitPrebuilt.core._expressConfig;
    const roomID = kit.getRoomID();
    kit.destroy();
    return { appID, userID, roomID, userName, token };
  }, kitToken);
  assert.deepEqual(read, { appID: ready.app_id, userID: userId, roomID: roomId, userName: name, token });

  const composed = await page.evaluate(
    ([appId, token, roomId, userId, name]) => window.ZegoUIKitPrebuilt.generateKitTokenForProduction(appId, token, roomId, userId, name),
    [ready.app_id, token, roomId, userId, name],
  );
  assert.equal(kitToken, composed, "as the kit's own helper would write it");
}
kept("the vendor's web kit reads user, room and name of our Kit Tokens");

await browser.close();
