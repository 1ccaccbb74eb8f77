// The whole journey with the browser SDK, run beside `roompass dev --json`, whose line comes on standard input. Node
// stands in for the browser: the sockets are the package `ws`'s, and there is no media.
//
// Prints one line a promise kept; an exception ends it with exit code 1.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { prover } from "../console/client.mjs";

const sdk = new URL("../../sdk/web/", import.meta.url);
const { RoompassClient, RoompassError, browser } = await import(new URL("dist/index.js", sdk).href);
const { WebSocket } = createRequire(sdk)("ws");

const [line] = await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", (line) => resolve([line])));
const server = JSON.parse(line);
const kept = (promise) => console.log(promise);

/** What the app's backend does: has tokens minted. */
async function mint(userId, roomId, more = {}) {
  const response = await fetch(`${server.url}/v1/apps/${server.app_id}/tokens`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.backend_key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ user_id: userId, room_id: roomId, privileges: ["login", "publish"], ttl_secs: 600, ...more }),
  });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.token;
}

const sockets = [];
const environment = {
  ...browser(),
  socket: (url, protocol) => {
    const socket = new WebSocket(url, protocol);
    sockets.push(socket);
    return socket;
  },
};

function client(options = {}) {
  return new RoompassClient({ appId: server.app_id, server: server.url, environment, ...options });
}

/** The next such event that `fits`. */
function next(from, name, fits = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within 60 s`)), 60_000);
    const off = from.on(name, (event) => {
      if (!fits(event)) return;
      clearTimeout(timer);
      off();
      resolve(event);
    });
  });
}

const refused = (code) => (error) => error instanceof RoompassError && error.code === code;

// A token of a few seconds: less than the lead is left, so the warning comes at once.
const alice = client();
const warned = next(alice, "tokenWillExpire");
const entered = await alice.loginRoom("web1", { userId: "alice", userName: "Alice" }, { token: await mint("alice", "web1", { ttl_secs: 10 }) });
assert.equal(entered.auth, "token");
assert.deepEqual(alice.users.map(({ userName }) => userName), ["Alice"]);
kept("login by token");

const { remainTimeInSecond } = await warned;
assert.ok(remainTimeInSecond > 0 && remainTimeInSecond <= 10);
kept("warning before expiry");

await alice.renewToken(await mint("alice", "web1"));
assert.ok(alice.login.expireAt > entered.expireAt && alice.tokenLeftMs > 590_000);
kept("renewal");

const bob = client({ mode: "app_sign", loginProof: prover(server.app_sign) });
const came = next(alice, "roomUserUpdate", ({ updateType, users }) => updateType === "ADD" && users[0].userId === "bob");
const proven = await bob.loginRoom("web1", { userId: "bob" });
assert.deepEqual([proven.auth, proven.expireAt], ["app_sign", undefined]);
await came;
kept("login by a proof of the page's backend");

const appeared = next(bob, "roomStreamUpdate", ({ updateType }) => updateType === "ADD");
await alice.startPublishingStream("web-camera", { media: ["audio"], extra: "front" });
assert.deepEqual((await appeared).streams, [{ streamId: "web-camera", userId: "alice", media: ["audio"], extra: "front" }]);
await bob.startPlayingStream("web-camera");
await bob.stopPlayingStream("web-camera");
kept("publish and play");

const heard = next(bob, "roomMessage");
await alice.sendRoomMessage("grüße");
assert.equal((await heard).text, "grüße");
const signalled = next(alice, "signal");
await bob.sendSignal(["alice"], "psst");
assert.deepEqual([(await signalled).userId, (await signalled).text], ["bob", "psst"]);
const extra = next(bob, "roomExtraInfoUpdate");
await alice.setRoomExtraInfo("topic", "release");
assert.equal((await extra).extra.value, "release");
kept("messages and values");

const before = sockets.length;
const carolsSocket = () => sockets[before];
const carol = client({ tokenProvider: async ({ userId, roomId }) => mint(userId, roomId, { privileges: ["login"] }) });
await carol.loginRoom("web1", { userId: "carol" });
await assert.rejects(carol.startPublishingStream("carol-camera"), refused("publish_denied"));
await assert.rejects(bob.renewToken(await mint("bob", "web1")), refused("app_sign_session"));
kept("refusals inside the room");

for (const [token, code] of [
  [await mint("dave", "elsewhere"), "login_denied"],
  [await mint("erin", "web1"), "token_user_mismatch"],
  ["04nonsense04nonsense", "token_invalid"],
]) {
  await assert.rejects(client().loginRoom("web1", { userId: "dave" }, { token }), refused(code));
}
kept("refusals at the door");

const switched = await carol.switchRoom("web1", "web2");
assert.equal(switched.roomId, "web2");
kept("another room");

// The connection breaks, and nobody notices but the states.
const back = next(carol, "roomStateChanged", ({ reason }) => reason === "RECONNECTED");
const { sessionId } = carol.login;
carolsSocket().terminate();
await back;
assert.equal(carol.login.sessionId, sessionId);
kept("a loss, and back to the same place");

// Real seconds pass here: a token that is not renewed expires, and publishing with it is refused.
const frank = client();
const expired = next(frank, "tokenExpired");
await frank.loginRoom("web1", { userId: "frank" }, { token: await mint("frank", "web1", { ttl_secs: 4 }) });
await expired;
await assert.rejects(frank.startPublishingStream("frank-camera"), refused("publish_token_expired"));
await frank.renewToken(await mint("frank", "web1"));
await frank.startPublishingStream("frank-camera");
kept("expiry and return");

const gone = next(bob, "roomUserUpdate", ({ updateType, users }) => updateType === "DELETE" && users[0].userId === "alice");
await alice.logoutRoom();
await gone;
for (const one of [bob, carol, frank]) await one.logoutRoom();
assert.deepEqual([alice, bob, carol, frank].map(({ roomState }) => roomState), ["LOGOUT", "LOGOUT", "LOGOUT", "LOGOUT"]);
kept("logout");
process.exit(0);
