// What one may press at the demo page in a call, and what comes of it at the others; and leaving while the browser still
// asks for a device.

import assert from "node:assert/strict";

import { Caller } from "./caller.mjs";
import { sent } from "./eyes.mjs";
import { kept, launch, server, until } from "./launch.mjs";
import { Operator } from "./operator.mjs";

const ROOM = "controls";
const ready = await server();
const operator = new Operator(ready);
const browser = await launch();
const join = (name, options) => Caller.join(browser, ready.url, ROOM, name, options);

/** Devices are granted when `window.grant()` is called; what was granted is in `window.granted`. */
function delayDevices(page) {
  return page.addInitScript(() => {
    window.granted = [];
    for (const way of ["getUserMedia", "getDisplayMedia"]) {
      const native = navigator.mediaDevices[way].bind(navigator.mediaDevices);
      navigator.mediaDevices[way] = async (wanted) => {
        await new Promise((resolve) => (window.grant = resolve));
        const stream = await native(wanted);
        window.granted.push(...stream.getTracks());
        return stream;
      };
    }
  });
}

/** A screen that is a canvas on which something moves. The browser's own button to end it is `window.endScreen()`. */
function paintScreen(page) {
  return page.addInitScript(() => {
    navigator.mediaDevices.getDisplayMedia = async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
      const context = canvas.getContext("2d");
      let shade = 0;
      const paint = setInterval(() => {
        context.fillStyle = `rgb(${(shade += 7) % 256}, 90, 90)`;
        context.fillRect(0, 0, canvas.width, canvas.height);
      }, 100);
      const stream = canvas.captureStream(10);
      const [track] = stream.getVideoTracks();
      window.endScreen = () => {
        clearInterval(paint);
        track.stop();
        // Which a track does not say of itself where the page stops it.
        track.dispatchEvent(new Event("ended"));
      };
      return stream;
    };
  });
}

const tileOf = (caller, name) => caller.page.locator("#tiles > li").filter({ has: caller.page.getByText(name, { exact: true }) });
const pressed = (caller, id) => caller.page.getAttribute(`#${id}`, "aria-pressed");
const isPressed = (caller, id, state) => until(`${id} is ${state}`, async () => (await pressed(caller, id)) === String(state));

// Bea is put out while her browser asks, Ann leaves by herself; both join anew before they are granted anything.
const bea = await join("Bea", { prepare: delayDevices });
await bea.page.waitForFunction(() => window.grant);
await operator.kick(bea.userId);
await bea.page.waitForSelector("#join:not([hidden])");
const ann = await join("Ann", { prepare: delayDevices });
await ann.page.waitForFunction(() => window.grant);
await ann.page.click("#leave");
for (const caller of [bea, ann]) {
  const first = await caller.page.evaluateHandle(() => window.grant);
  await caller.page.evaluate(() => (window.grant = undefined));
  await caller.page.click("#enter");
  await caller.page.waitForSelector("#call:not([hidden])");
  await caller.page.waitForFunction(() => window.grant);
  await first.evaluate((grant) => grant());
  await caller.page.waitForFunction(() => window.granted.length === 2);
  await caller.page.waitForFunction(() => window.granted.every(({ readyState }) => readyState === "ended"));
  await caller.page.evaluate(() => window.grant());
  await caller.page.waitForFunction(() => window.granted.length === 4);
}
await ann.sees("Bea");
const live = await ann.page.evaluate(() => window.granted.map(({ readyState }) => readyState));
assert.deepEqual(live, ["ended", "ended", "live", "live"]);
for (const { name, faults } of [ann, bea]) assert.deepEqual(faults, [], name);
await Promise.all([ann.close(), bea.close()]);
kept("whoever has left while the browser asked sends nothing of what was granted then");

// The sound of the fake microphone is a beep now and then.
const ada = await join("Ada", { withCamera: false });
const bob = await join("Bob", { prepare: paintScreen });
const adasTile = tileOf(bob, "Ada");
const speaks = () => until("Bob's page says that Ada speaks", () => adasTile.getByText("speaking", { exact: true }).isVisible());
await speaks();
assert.match(await adasTile.getAttribute("class"), /speaking/);
await ada.page.click("#mic");
await isPressed(ada, "mic", false);
assert.ok(await tileOf(ada, "Ada (you)").getByText("muted").isVisible());
await until("Ada is heard no more", async () => !/speaking/.test(await adasTile.getAttribute("class")));
const quiet = Date.now();
await until("she stays so", async () => {
  assert.doesNotMatch(await adasTile.getAttribute("class"), /speaking/);
  return Date.now() > quiet + 2000;
});
await ada.page.click("#mic");
await isPressed(ada, "mic", true);
await speaks();
kept("the microphone is switched off and on, and whoever speaks is marked, in words too");

/** How bright the picture of `name` is, from 0 to 255; `undefined` without one. */
const brightness = (caller, name) =>
  tileOf(caller, name).evaluate((tile) => {
    const video = tile.querySelector("video");
    if (!video?.videoWidth) return undefined;
    const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 12 });
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, 16, 12);
    const { data } = context.getImageData(0, 0, 16, 12);
    return data.reduce((sum, value, index) => sum + (index % 4 === 3 ? 0 : value), 0) / (data.length * 0.75);
  });
await ada.page.click("#camera");
await isPressed(ada, "camera", true);
await bob.sees("Ada");
await until("Bob sees a picture", async () => (await brightness(bob, "Ada")) > 30);
await ada.page.click("#camera");
await isPressed(ada, "camera", false);
await until("Bob sees black", async () => (await brightness(bob, "Ada")) < 10);
await ada.page.click("#camera");
await until("Bob sees a picture again", async () => (await brightness(bob, "Ada")) > 30);
kept("the camera is asked for when it is wanted, covered and uncovered");

const screens = (caller) => caller.page.locator("#tiles > li.screen");
await bob.page.click("#screen");
await bob.told("Your screen is shared.");
await ada.sees("Bob");
const frames = async () => (await ada.seen("Bob · screen")).video?.frames ?? 0;
await until("Ada sees Bob's screen", async () => (await frames()) > 10);
assert.equal(await screens(ada).count(), 1);
await bob.page.evaluate(() => window.endScreen());
await until("Bob's screen is gone at Ada", async () => (await screens(ada).count()) === 0);
assert.equal(await screens(bob).count(), 0);
assert.equal(await pressed(bob, "screen"), "false");
const [before] = await ada.tracksOf("Bob · screen");
await bob.page.click("#screen");
await until("Ada sees Bob's screen again", async () => (await ada.tracksOf("Bob · screen"))[0] !== before && (await frames()) > 10);
await bob.page.click("#screen");
await until("it is gone", async () => (await screens(ada).count()) + (await screens(bob).count()) === 0);
await ada.sees("Bob");
kept("a screen is shared beside the camera, and ends by either button");

// May speak, and nothing else.
const cy = await join("Cy", { rights: "audio", prepare: paintScreen });
await until("Ada hears Cy", async () => (await ada.seen("Cy")).audio?.packets > 10);
const voice = await ada.tracksOf("Cy");
for (const id of ["screen", "camera"]) {
  const before = (await cy.log()).split("publish_denied").length;
  await cy.page.click(`#${id}`);
  await until("it is refused", async () => (await cy.log()).split("publish_denied").length === before + 1);
  await isPressed(cy, id, false);
}
// A stream with another track is another stream, and so is the one without it again.
await until("Ada hears Cy again", async () => (await ada.tracksOf("Cy"))[0] !== voice[0] && (await ada.seen("Cy")).audio?.packets > 10);
assert.deepEqual((await sent(cy.page)).kinds, ["audio"]);
assert.equal(await screens(ada).count(), 0);
await cy.page.click("#try-room");
await cy.told("Use it for another room: refused.");
assert.match(await cy.log(), /login_denied/);
kept("what the token does not let one do is refused, in words, and what it does goes on");
await cy.close();

/** The ring: what is read out of it, how much of it is left in percent, and what it looks like. */
const ring = () =>
  ada.page.evaluate(() => {
    const { className, ariaLabel } = document.getElementById("ring");
    const left = 100 - Number(document.getElementById("ring-left").style.strokeDashoffset);
    return { label: ariaLabel, left, look: className.replace("ring", "").trim(), seconds: document.getElementById("left").textContent };
  });
await ada.page.click("#auto-toggle");
await isPressed(ada, "auto-toggle", false);
await ada.told("Nothing is renewed any more");
assert.equal(await ada.page.innerText("#auto-toggle"), "Does not renew");
await ada.renewInto(20);
const full = await until("the ring is full", async () => {
  const seen = await ring();
  return seen.left > 60 && seen.look === "" && seen;
});
assert.match(full.label, /^(20|1\d) seconds left$/);
await until("the ring is about to run out", async () => (await ring()).look === "soon");
const soon = await ring();
assert.ok(soon.left < 55 && soon.label === `${parseInt(soon.seconds)} seconds left`, JSON.stringify(soon));
assert.match(await ada.page.innerText("#token-state"), /^will expire$/);
await until("it has", async () => (await ring()).look === "over");
assert.deepEqual(await ring(), { label: "The token has expired", left: 0, look: "over", seconds: "0 s" });
assert.match(await ada.page.innerText("#token-state"), /you stay, but cannot start anything new/);
await ada.told("The call goes on");
await bob.sees("Ada");
await ada.renewInto(600);
await until("the ring is full again", async () => (await ring()).look === "" && (await ring()).left > 90);
await ada.page.click("#auto-toggle");
await isPressed(ada, "auto-toggle", true);
assert.equal(await ada.page.innerText("#auto-toggle"), "Renews by itself");
kept("the countdown shows and says how long the token is good, and one may let it expire");

await operator.set({ on_expiry: "strict" });
const dan = await join("Dan", { renews: false });
await bob.sees("Dan");
await dan.renewInto(16);
await until("Dan is told what is coming", async () => (await dan.page.innerText("#token-state")) === "will expire, and you have to leave then");
await dan.page.waitForSelector("#join:not([hidden])");
assert.match(await dan.page.innerText("#join-error"), /kicked_token_expired/);
assert.ok(!(await dan.log()).includes("The call goes on"));
kept("who has to leave when the token expires is told so");

for (const { name, faults } of [ada, bob, cy, dan]) assert.deepEqual(faults, [], name);
await browser.close();
