// What happens to a call when the way to the server breaks: that of the messages for a moment, or for longer than the
// place in the room is kept; and that of the packets.

import assert from "node:assert/strict";

import { Caller } from "./caller.mjs";
import { kept, launch, server, until } from "./launch.mjs";
import { Operator } from "./operator.mjs";
import { Bridge, Road } from "./road.mjs";

const ROOM = "return";
const ready = await server();
const operator = new Operator(ready);
const browser = await launch();

const bridge = await Bridge.open(ready.url);
// Long enough to come back on a machine that is busy, and no longer.
await operator.set({ allowed_origins: [bridge.url], heartbeat_timeout_secs: 20 });
// While the way is broken, the browser says so on its console.
const except = (text) => text.includes("WebSocket connection to");
const cy = await Caller.join(browser, ready.url, ROOM, "Cy");
const bob = await Caller.join(browser, bridge.url, ROOM, "Bob", { isHeard: false, except });
await cy.sees(bob.name);
await bob.sees(cy.name);

/** The session of a caller; none while there is none. */
async function sessionOf({ userId }) {
  return (await operator.sessions(ROOM)).find(({ user_id }) => user_id === userId)?.session_id;
}

/** How often a caller was told that the way back was found. */
const returns = async (caller) => (await caller.log()).split("You are back.").length - 1;

const session = await sessionOf(bob);
const tracks = await cy.tracksOf(bob.name);
bridge.break();
await bob.told("The connection is lost");
await cy.sees(bob.name);
bridge.mend();
await until("Bob is back", async () => (await returns(bob)) === 1);
assert.equal(await sessionOf(bob), session);
await cy.sees(bob.name);
await bob.sees(cy.name);
assert.deepEqual(await bob.connections(), { made: 1, open: 1 });
assert.deepEqual(await cy.tracksOf(bob.name), tracks, "the same tracks as before");
assert.ok(!(await cy.log()).includes("Bob has left."));
kept("a short loss: the session goes on, and so do the packets, which never stopped");

bridge.break();
await cy.told("Bob has left.");
bridge.mend();
await until("Bob is back", async () => (await returns(bob)) === 2);
assert.notEqual(await sessionOf(bob), session);
await until("Cy's page shows other tracks", async () => {
  const now = await cy.tracksOf(bob.name);
  return now.length === 2 && now.every((track) => !tracks.includes(track));
});
await cy.sees(bob.name);
await bob.sees(cy.name);
assert.equal((await bob.connections()).open, 1);
kept("a long loss: one comes in anew, and the streams start again");
await bob.close();

// Dan's packets take another way once the first one is gone.
const [first, second] = [await Road.open(), await Road.open()];
const dan = await Caller.join(browser, ready.url, ROOM, "Dan", { answer: first.into });
await cy.sees(dan.name);
await dan.sees(cy.name);
const ufrag = () => dan.offered.match(/a=ice-ufrag:(.*)/)[1];
const before = ufrag();
dan.answer = second.into;
first.isCut = true;
await until("Dan's browser looks for another way", () => ufrag() !== before);
await cy.sees(dan.name);
await dan.sees(cy.name);
assert.deepEqual(await dan.connections(), { made: 1, open: 1 });
kept("packets that find no way any more take another one, on the same connection");

for (const { name, faults } of [bob, cy, dan]) assert.deepEqual(faults, [], name);
await browser.close();
for (const way of [bridge, first, second]) way.close();
