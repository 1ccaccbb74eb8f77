// A call through a TURN server and no other way, with the credentials that the server minted; they are good for seconds.

import assert from "node:assert/strict";

import { paths, received } from "./eyes.mjs";
import { kept, launch, server, until } from "./launch.mjs";
import { Operator } from "./operator.mjs";
import { listener, speaker } from "./strangers.mjs";

const ready = await server();
const operator = new Operator(ready);
const browser = await launch();

async function who(userId) {
  return { userId, roomId: "relay", token: await operator.mint(userId, "relay"), more: { relayOnly: true } };
}

const ada = await speaker(browser, ready, { ...(await who("ada")), streamId: "ada-camera" });
const bob = await listener(browser, ready, { ...(await who("bob")), streamIds: ["ada-camera"] });

/** Ten more pictures, and sound. */
async function flows() {
  const frames = async () => (await received(bob)).find(({ kind }) => kind === "video")?.frames ?? 0;
  const before = await frames();
  await until("Bob sees Ada", async () => (await frames()) > before + 10);
  assert.ok((await received(bob)).some(({ kind, bytes }) => kind === "audio" && bytes > 0));
}
await flows();
const kinds = async (page) => (await paths(page)).map(({ candidateType }) => candidateType);
assert.deepEqual([await kinds(ada), await kinds(bob)], [["relay"], ["relay"]]);
kept("a call through the relay alone");

const expireAt = await bob.evaluate(() => {
  const [{ username }] = window.roompassTest.connections[0].getConfiguration().iceServers;
  return Number(username.split(":")[0]);
});
await until("the credential expires", () => Date.now() / 1000 > expireAt + 1);
const { codes, candidates } = await bob.evaluate(async () => {
  const { iceServers } = window.roompassTest.connections[0].getConfiguration();
  const connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  const codes = new Set();
  const candidates = [];
  connection.onicecandidateerror = ({ errorCode }) => codes.add(errorCode);
  const gathered = new Promise((resolve) => {
    connection.onicecandidate = ({ candidate }) => (candidate ? candidates.push(candidate.candidate) : resolve());
  });
  connection.createDataChannel("any");
  await connection.setLocalDescription(await connection.createOffer());
  await gathered;
  connection.close();
  return { codes: [...codes], candidates };
});
assert.deepEqual([codes, candidates], [[401], []]);
await flows();
kept("an expired credential is refused, and the call goes on");

await browser.close();
