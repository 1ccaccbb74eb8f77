// Calls over networks that are not good: one that lets no UDP through, one with little room, one that loses packets.

import assert from "node:assert/strict";

import { paths, received } from "./eyes.mjs";
import { kept, launch, server, until } from "./launch.mjs";
import { Operator } from "./operator.mjs";
import { Road, overTcp } from "./road.mjs";
import { listener, speaker } from "./strangers.mjs";

const ROOM = "network";
const STREAM = "ada-camera";
const ready = await server();
const operator = new Operator(ready);
const browser = await launch();

const who = async (userId) => ({ userId, roomId: ROOM, token: await operator.mint(userId, ROOM) });
const listens = async (userId, answer) => listener(browser, ready, { ...(await who(userId)), streamIds: [STREAM], answer });

/** More of Ada's pictures come to `page` than have, and more of her sound. */
async function flows(page, name) {
  const now = async () => Object.fromEntries((await received(page)).map((of) => [of.kind, of]));
  const before = await now();
  await until(`${name} sees and hears Ada`, async () => {
    const { audio, video } = await now();
    return audio?.packets > (before.audio?.packets ?? 0) + 10 && video?.frames > (before.video?.frames ?? 0) + 5;
  });
}

/** What the server measures of Ada's picture on its way to `userId`. */
async function measured(userId) {
  const receiver = (await operator.receivers(STREAM)).find(({ user_id }) => user_id === userId);
  return receiver?.tracks.find(({ kind }) => kind === "video");
}

// Large enough for three sizes.
const size = { width: 1280, height: 720 };
const ada = await speaker(browser, ready, { ...(await who("ada")), streamId: STREAM, size, answer: overTcp });
const bob = await listens("bob", overTcp);
await flows(bob, "Bob");
const taken = (await Promise.all([ada, bob].map(paths))).flat();
assert.deepEqual(taken.map(({ protocol }) => protocol), ["tcp", "tcp"]);
kept("where no UDP goes, a call goes over TCP");
await bob.context().close();

const road = await Road.open();
road.bps = 250_000;
const [cy, dan] = [await listens("cy"), await listens("dan", road.into)];
await Promise.all([flows(cy, "Cy"), flows(dan, "Dan")]);
await until("each gets the size that there is room for", async () => {
  const [wide, narrow] = [await measured("cy"), await measured("dan")];
  return wide?.layer === "f" && narrow?.layer === "q";
});
await Promise.all([flows(cy, "Cy"), flows(dan, "Dan")]);
const width = async (page) => (await received(page)).find(({ kind }) => kind === "video").width;
await until("the sizes are those", async () => (await width(cy)) === 1280 && (await width(dan)) === 320);
kept("of one camera each receiver gets the size that its network takes");
await cy.context().close();

road.bps = Infinity;
// Sound and pictures are lost now, and nothing else: those are the long ones.
let count = 0;
road.loses = (packet) => packet[0] >> 6 === 2 && packet.length > 200 && count++ % 3 !== 0;
await until("the server measures loss, and a picture that stood still", async () => {
  const { stats, freezes, frozen_ms } = (await measured("dan")) ?? { stats: {} };
  return stats.loss > 0 && stats.nacks > 0 && freezes > 0 && frozen_ms > 0;
});
// The browser has a picture to tell the pause by once one comes again.
road.loses = () => false;
await until("and so does the browser", async () => (await received(dan)).find(({ kind }) => kind === "video").freezeMs > 0);
await flows(dan, "Dan");
kept("loss and freezes are measured where they are, and end with their cause");

await browser.close();
road.close();
