// Live rooms as an operator sees them, with users of the real SDK in them, who hear what is done.

import assert from "node:assert/strict";

import { kept, launch, server } from "../browser/launch.mjs";
import { client, enter, mint, next } from "./client.mjs";
import { Person, news, open, setUp, settled } from "./admin.mjs";

const ready = await server();
const { url, app_id: appId, setup_link: link } = ready;
const browser = await launch();
// The room that is looked at becomes empty: then there is none.
const { page, faults } = await open(browser, url, { except: (text) => text.includes("404") && text.includes("/room?room_id=") });
await setUp(page, link, new Person("ada"));
const root = `${url}/console/apps/${appId}`;
const main = page.locator("#main");
const dialog = page.getByRole("dialog");
const said = (text) => page.locator(".toasts").getByText(text).waitFor();

await page.goto(`${root}/live`);
await settled(page);
await page.getByText("Nobody is here").waitFor();
await page.getByText("following").waitFor();
const alice = await enter(ready, "alice", "lobby");
await main.getByRole("link", { name: "lobby" }).click();
await page.getByRole("heading", { name: /Room lobby/ }).waitFor();
const mallory = await enter(ready, "mallory", "lobby");
const row = (user) => main.getByRole("table", { name: "Users" }).getByRole("row").filter({ hasText: user });
await row("mallory").waitFor();
await mallory.startPublishingStream("mallory-camera", { media: ["audio"] });
await main.getByRole("table", { name: "Streams" }).getByText("mallory-camera").waitFor();
const left = await row("mallory").getByText(/left$/).innerText();
await row("mallory").getByText(left).waitFor({ state: "detached" });
await row("mallory").getByText(/left$/).waitFor();
kept("users, streams and countdowns appear as they come, without a reload");

const heard = next(alice, "serverMessage");
await main.getByRole("button", { name: "Say something", exact: true }).click();
await dialog.getByLabel("Text").fill("This room closes at noon.");
await dialog.getByRole("button", { name: "Say it" }).click();
assert.equal((await heard).text, "This room closes at noon.");
await said("Said to 2 users.");

const stopped = next(mallory, "publisherStateUpdate");
await main.getByRole("button", { name: "Stop mallory-camera" }).click();
await dialog.getByRole("button", { name: "Stop it" }).click();
await stopped;
await main.getByText("Nobody sends anything").waitFor();

const changed = next(mallory, "privilegesChanged");
await row("mallory").getByRole("button", { name: "Rights of mallory" }).click();
await dialog.getByLabel("Publish").check();
await dialog.getByRole("button", { name: "Change it" }).click();
const taken = await news(page, "mallory may no longer publish.");
await changed;
await row("mallory").getByText("no publish").waitFor();
await assert.rejects(mallory.startPublishingStream("mallory-camera"));
const given = next(mallory, "privilegesChanged");
await taken.getByRole("button", { name: "Undo" }).click();
await given;
await row("mallory").getByText("no publish").waitFor({ state: "detached" });
kept("an operator speaks, stops a stream, takes a right and gives it back");

const kicked = next(mallory, "roomStateChanged");
await row("mallory").getByRole("button", { name: "Kick mallory" }).click();
await dialog.getByText("Ends this stay").waitFor();
await dialog.getByRole("button", { name: "Cancel" }).click();
assert.equal(await row("mallory").count(), 1, "and does nothing otherwise");
await row("mallory").getByRole("button", { name: "Kick mallory" }).click();
await dialog.getByLabel("Reason").fill("spam");
await dialog.getByRole("button", { name: "Kick", exact: true }).click();
const { reason, message } = await kicked;
assert.deepEqual([reason, message.includes("spam")], ["KICKOUT", true], message);
await said("mallory is out, the token is revoked.");
await row("mallory").waitFor({ state: "detached" });
kept("a user is kicked, hears why, and is gone from the page");

await row("alice").getByRole("button", { name: "Ban alice" }).click();
await dialog.getByRole("button", { name: "Ban", exact: true }).click();
await page.getByText("Nobody is in this room").waitFor();
const { token } = await mint(ready, { user_id: "alice", room_id: "lobby" });
await assert.rejects(client(ready).loginRoom("lobby", { userId: "alice" }, { token }));
kept("a ban keeps out");

await page.goto(`${root}/live?show=activity`);
await page.getByText("following").waitFor();
await assert.rejects(client(ready).loginRoom("lobby", { userId: "alice" }, { token }));
const activity = main.getByRole("list", { name: "What happened, the latest first" });
await activity.getByRole("listitem").filter({ hasText: "Login refused" }).filter({ hasText: "banned" }).waitFor();
const carol = await enter(ready, "carol", "cellar");
await carol.renewToken((await mint(ready, { user_id: "carol", room_id: "cellar" })).token);
for (const what of ["Room opened", "Entered", "Token renewed"]) await activity.getByRole("listitem").filter({ hasText: what }).filter({ hasText: "cellar" }).waitFor();
await carol.logoutRoom();
await activity.getByRole("listitem").filter({ hasText: "Left" }).filter({ hasText: "carol" }).waitFor();
kept("what happens is told as it happens");

await page.goto(`${root}/bans`);
await settled(page);
await main.getByRole("button", { name: "Lift the ban of alice" }).click();
await dialog.getByRole("button", { name: "Lift it" }).click();
await page.getByText("Nobody is banned").waitFor();
const again = await enter(ready, "alice", "lobby");
await main.getByRole("tab", { name: "Revocations" }).click();
await main.getByRole("table", { name: "Revocations" }).getByText("spam").waitFor();
kept("a ban is lifted");

await page.goto(`${root}/live?room=lobby`);
await settled(page);
const closed = next(again, "roomStateChanged");
await main.getByRole("button", { name: "Close the room" }).click();
await dialog.getByRole("button", { name: "Close the room" }).click();
assert.equal((await closed).reason, "KICKOUT");
await page.getByText("Nobody is in this room").waitFor();
kept("a room is closed");

// A page that nobody looks at asks nobody.
await main.getByRole("button", { name: "All rooms" }).click();
await page.evaluate(() => {
  Object.defineProperty(document, "hidden", { value: true, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
});
await page.getByText("paused").waitFor();
kept("it rests while nobody looks");

assert.deepEqual(faults, []);
await browser.close();
process.exit(0);
