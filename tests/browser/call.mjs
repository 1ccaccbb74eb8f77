// A real call at the demo page, through the server: who may be seen and heard is so, and whoever may not any more is gone
// within a second, although their client hears nothing of it and goes on sending.

import assert from "node:assert/strict";

import { Caller } from "./caller.mjs";
import { received, sent } from "./eyes.mjs";
import { kept, launch, server, until } from "./launch.mjs";
import { Operator } from "./operator.mjs";
import { intruder, listener } from "./strangers.mjs";

const ROOM = "call";
const ready = await server();
const operator = new Operator(ready);
const browser = await launch();
const join = (name, options) => Caller.join(browser, ready.url, ROOM, name, options);

/** Something comes of `name` at all of `receivers`: sound, and `more` pictures than before. */
async function flows(name, receivers, more = 5) {
  for (const receiver of receivers) {
    const before = await receiver.frames(name);
    await until(`${receiver.name} sees and hears ${name}`, async () => {
      const { audio, video } = await receiver.seen(name);
      return audio?.packets > 10 && video?.frames >= before + more;
    });
  }
}

/** Nothing comes of `publisher` any more a second after `since`, although its browser sends. */
async function isSilenced(publisher, since, receivers) {
  const end = since + 1000;
  // Whatever came later would be seen by then.
  await until("another second has passed", () => Date.now() > end + 1000);
  const before = await publisher.sent();
  await until(`${publisher.name} goes on sending`, async () => (await publisher.sent()) > before + 5);
  for (const receiver of receivers) {
    const last = await receiver.lastPacketAt(publisher.name);
    assert.ok(last > since - 1000, `${receiver.name} had nothing of ${publisher.name} before: ${last - since} ms`);
    assert.ok(last <= end, `${receiver.name} had a packet of ${publisher.name} ${last - since} ms afterwards`);
  }
}

// What a renewal takes away ends what it was for.
await operator.set({ on_renew: "enforce" });

const ada = await join("Ada");
const bob = await join("Bob Ünïc");
const cy = await join("Cy", { rights: "listen" });
await flows(ada.name, [bob, cy]);
await flows(bob.name, [ada, cy]);
assert.equal((await received(ada.page)).length, 2, "nothing comes of a listener");
const bobs = `${bob.userId}-camera`;
kept("two in a call and a third who listens: all of them see and hear");

// As when the node that forwarded the room has died.
bob.hear({ type: "media_lost" });
await until("Bob's page has made another connection", () => bob.page.evaluate(() => window.roompassTest.connections.length === 2));
await flows(ada.name, [bob]);
await flows(bob.name, [ada, cy]);
kept("whoever is told that the connection for media is gone makes another");

/** What the server measures of one stream of the room. */
async function measured(streamId) {
  return (await operator.streams(ROOM)).find((stream) => stream.stream_id === streamId);
}

await until("the server measures Bob's stream on its way in and out", async () => {
  const { published } = await measured(bobs);
  const receiver = (await operator.receivers(bobs)).find(({ user_id }) => user_id === cy.userId);
  const tracks = [...published, ...(receiver?.tracks ?? [])];
  const isMeasured = ({ stats }) => stats.bitrate_bps > 0 && stats.loss !== undefined && stats.rtt_ms !== undefined;
  return tracks.length === 4 && tracks.every(isMeasured);
});
kept("the operator sees bitrate, loss and round-trip time of each stream");

// Eve may only listen, and sends all the same: a stream of her own, and one in Bob's name. Finn plays both.
const listens = { privileges: ["login"] };
const finn = await listener(browser, ready, { userId: "finn", roomId: ROOM, token: await operator.mint("finn", ROOM, listens), streamIds: ["eves", bobs] });
const token = await operator.mint("eve", ROOM, listens);
const eve = await intruder(browser, ready, { userId: "eve", roomId: ROOM, token, streamIds: ["eves", bobs] });
assert.deepEqual(eve.codes, ["publish_denied", "publish_denied"]);
await until("Eve's browser sends", async () => (await sent(eve.page)) > 100);
await until("the server turns it away", async () => {
  const { media } = (await operator.sessions(ROOM)).find(({ user_id }) => user_id === "eve");
  return media?.refused_packets > 50;
});
assert.equal(await measured("eves"), undefined);
assert.equal((await measured(bobs)).user_id, bob.userId);
await until("Finn sees Bob", async () => (await received(finn)).some(({ frames }) => frames > 5));
const arrived = (await received(finn)).filter(({ bytes }) => bytes > 0).map(({ kind }) => kind);
assert.deepEqual(arrived.sort(), ["audio", "video"], "Finn receives Bob, and nobody else");
assert.equal((await received(ada.page)).length, 2, "Ada receives Bob, and nobody else");
await Promise.all([finn, eve.page].map((page) => page.context().close()));
kept("whoever may not publish sends in vain");

ada.becomeDeaf();
let since = Date.now();
await operator.revoke(ada.userId);
await isSilenced(ada, since, [bob, cy]);
await ada.close();
kept("a revoked user is gone within a second");

// Gil's token is not renewed by itself.
const gil = await join("Gil", { ttlSecs: 4, renews: false });
await flows(gil.name, [bob, cy]);
await until("Gil's token expires", async () => (await gil.log()).includes("The token has expired."));
const expired = Date.now();
await until("two seconds have passed", () => Date.now() > expired + 2000);
await flows(gil.name, [bob, cy], 10);
kept("soft expiry: the call goes on");

// The answer to the renewal does not reach the page.
gil.becomeDeaf();
since = Date.now();
await gil.page.click("#listen-only");
await isSilenced(gil, since, [bob, cy]);
await gil.close();
kept("a right that a renewal takes away ends within a second");

const dora = await join("Dora");
await flows(dora.name, [bob, cy]);
dora.becomeDeaf();
since = Date.now();
await operator.kick(dora.userId);
await isSilenced(dora, since, [bob, cy]);
await dora.close();
kept("a kicked user is gone within a second");

await operator.set({ on_expiry: "strict" });
const hal = await join("Hal", { ttlSecs: 5, renews: false });
await flows(hal.name, [bob, cy]);
hal.becomeDeaf();
const [{ expire_at: expireAt }] = (await operator.sessions(ROOM)).filter(({ user_id }) => user_id === hal.userId);
await isSilenced(hal, expireAt * 1000, [bob, cy]);
await hal.close();
kept("strict expiry: the user is gone within a second");

// Whoever does not renew is out, now.
await bob.close();
const ivy = await join("Ivy", { ttlSecs: 4 });
const began = Date.now();
await flows(ivy.name, [cy]);
await until("Ivy has renewed over three expiries", async () => Date.now() - began > 3 * 4000 && (await ivy.log()).split("The token was renewed.").length > 3);
const { longestStill } = (await cy.seen(ivy.name)).video;
assert.ok(longestStill < 10, `the picture stood still for ${longestStill / 10} s`);
await flows(ivy.name, [cy]);
kept("renewal carries a call over three expiries without a frozen second");

for (const { name, faults } of [ada, bob, cy, gil, dora, hal, ivy]) assert.deepEqual(faults, [], name);
await browser.close();
