// A real call at the demo page, through the server: who may be seen and heard is so, and whoever may not any more is gone
// within a second, although their client hears nothing of it and goes on sending.

import assert from "node:assert/strict";

import { Caller } from "./caller.mjs";
import { received, sent } from "./eyes.mjs";
import { kept, launch, server, until } from "./launch.mjs";
import { Operator } from "./operator.mjs";
import { intruder, listener, speaker } from "./strangers.mjs";

const ROOM = "call";
/** The life of tokens that are to expire: long enough for what has to be seen before, on a machine that is busy too. */
const SHORT_SECS = 10;
const ready = await server();
const operator = new Operator(ready);
const browser = await launch();
const join = (name, options) => Caller.join(browser, ready.url, ROOM, name, options);

/** Something comes of `name` at all of `receivers`. */
async function flows(name, receivers, more) {
  for (const receiver of receivers) await receiver.sees(name, more);
}

/** Something of `name` comes to all of `receivers` at this moment. */
async function isHeardNow(name, receivers) {
  const since = Date.now();
  for (const receiver of receivers) {
    await until(`${receiver.name} gets a packet of ${name}`, async () => (await receiver.lastPacketAt(name)) > since);
  }
}

/** Nothing comes of `publisher` any more a second after `since`, although its browser sends. It came up to then. */
async function isSilenced(publisher, since, receivers) {
  const end = since + 1000;
  // Whatever came later would be seen by then.
  await until("another second has passed", () => Date.now() > end + 1000);
  const { packets: before } = await publisher.sent();
  await until(`${publisher.name} goes on sending`, async () => (await publisher.sent()).packets > before + 5);
  for (const receiver of receivers) {
    const last = await receiver.lastPacketAt(publisher.name);
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
await until("Bob's page has made another connection", async () => (await bob.connections()).made === 2);
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
await until("Eve's browser sends", async () => (await sent(eve.page)).packets > 100);
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

// Kit has a camera too, and publishes the sound alone.
const voice = { userId: "kit", roomId: ROOM, token: await operator.mint("kit", ROOM, { terms: { media: ["audio"] } }) };
const kit = await speaker(browser, ready, { ...voice, streamId: "kits", media: ["audio"] });
await until("Kit's browser sends", async () => (await sent(kit)).packets > 100);
assert.deepEqual((await sent(kit)).kinds, ["audio"]);
await kit.context().close();
kept("what is not published does not leave the browser");

await isHeardNow(ada.name, [bob, cy]);
ada.becomeDeaf();
let since = Date.now();
await operator.revoke(ada.userId);
await isSilenced(ada, since, [bob, cy]);
await ada.close();
kept("a revoked user is gone within a second");

// Gil's token is not renewed by itself.
const gil = await join("Gil", { renews: false });
await flows(gil.name, [bob, cy]);
await gil.renewInto(SHORT_SECS);
await gil.told("The token has expired. The call goes on");
const expired = Date.now();
await until("two seconds have passed", () => Date.now() > expired + 2000);
await flows(gil.name, [bob, cy], 10);
kept("soft expiry: the call goes on");

// The answer to the renewal does not reach the page.
await isHeardNow(gil.name, [bob, cy]);
gil.becomeDeaf();
gil.renewedAt = undefined;
await gil.page.click("#listen-only");
since = await until("Gil has asked to renew", () => gil.renewedAt);
await isSilenced(gil, since, [bob, cy]);
await gil.close();
kept("a right that a renewal takes away ends within a second");

const dora = await join("Dora");
await flows(dora.name, [bob, cy]);
await isHeardNow(dora.name, [bob, cy]);
dora.becomeDeaf();
since = Date.now();
await operator.kick(dora.userId);
await isSilenced(dora, since, [bob, cy]);
await dora.close();
kept("a kicked user is gone within a second");

/** When the token of a caller expires, in milliseconds. */
async function expiryOf({ userId }) {
  const [{ expire_at: expireAt }] = (await operator.sessions(ROOM)).filter(({ user_id }) => user_id === userId);
  return expireAt * 1000;
}

await operator.set({ on_expiry: "strict" });
const hal = await join("Hal", { renews: false });
await flows(hal.name, [bob, cy]);
await hal.renewInto(SHORT_SECS);
hal.becomeDeaf();
since = await expiryOf(hal);
await isHeardNow(hal.name, [bob, cy]);
assert.ok(Date.now() < since, "Hal was heard before the token expired");
await isSilenced(hal, since, [bob, cy]);
await hal.close();
kept("strict expiry: the user is gone within a second");

// Whoever does not renew is out, now.
await bob.close();
const ivy = await join("Ivy");
await flows(ivy.name, [cy]);
await ivy.renewInto(SHORT_SECS);
const third = (await expiryOf(ivy)) + 2000 * SHORT_SECS;
await until("Ivy has renewed over three expiries", async () => Date.now() > third && (await ivy.log()).split("The token was renewed.").length > 4);
await flows(ivy.name, [cy]);
// Of what stood still, that which was not sent does not count.
const [{ audio, video }, { stillMs }] = [await cy.seen(ivy.name), await ivy.sent()];
const [picture, freeze, sound] = [video.stillMs - stillMs.video, video.freezeMs - stillMs.video, audio.stillMs - stillMs.audio];
assert.ok(picture < 1000 && freeze < 1000, `the picture stood still for ${picture} ms, a freeze took ${freeze} ms`);
assert.ok(sound < 1000, `no sound came for ${sound} ms`);
kept("renewal carries a call over three expiries without a frozen second");

for (const { name, faults } of [ada, bob, cy, gil, dora, hal, ivy]) assert.deepEqual(faults, [], name);
await browser.close();
