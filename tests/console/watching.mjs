// The pages that watch and steer: can be used by all, fit, keep to their policy; and a viewer only looks.

import assert from "node:assert/strict";

import { barriers } from "../browser/axe.mjs";
import { kept, launch, server } from "../browser/launch.mjs";
import { client, enter, mint } from "./client.mjs";
import { Person, ask, changing, open, setUp, settled } from "./admin.mjs";

const ready = await server();
const { url, app_id: appId, setup_link: link } = ready;
const browser = await launch();
const owner = await open(browser, url);
await setUp(owner.page, link, new Person("ada"));
// At once: to invite takes a sign-in of the last minutes.
const invited = await ask(owner.page, "POST", "/v1/admin/admins", { name: "grace", roles: { everywhere: "viewer" } });
assert.equal(invited.status, 201, JSON.stringify(invited.body));

// Something of everything, so that no page is empty.
const { token } = await mint(ready, { user_id: "alice", room_id: "lobby" });
const { kit_token: kit } = await mint(ready, { user_id: "alice", room_id: "lobby", user_name: "Alice", kit: true });
await assert.rejects(client(ready).loginRoom("lobby", { userId: "mallory" }, { token }));
await assert.rejects(client(ready).loginRoom("elsewhere", { userId: "alice" }, { token }));
const alice = await enter(ready, "alice", "lobby");
await alice.startPublishingStream("alice-camera", { media: ["audio"] });
for (const [path, body] of [["bans", { user_id: "trent", reason: "spam" }], ["tokens/revoke", { user_id: "trent", reason: "spam" }]]) {
  assert.equal((await ask(owner.page, "POST", `/v1/apps/${appId}/${path}`, body)).status, 200);
}

const root = `/apps/${appId}`;
const paste = (text) => (page) => page.getByLabel("Token", { exact: true }).fill(text);
const click = (name) => (page) => page.locator("#main").getByRole("button", { name }).first().click();
/** Each page, and what is to be seen on it. */
const STATES = [
  [`${root}/workbench`],
  [`${root}/workbench`, paste(` "${token.slice(0, 90)}"`)],
  [`${root}/workbench`, async (page) => {
    await paste(kit)(page);
    await click("Ask the server")(page);
    await page.locator(".timeline").waitFor();
  }],
  [`${root}/workbench`, click("Mint a token")],
  [`${root}/live`],
  [`${root}/live?show=users`],
  [`${root}/live?show=streams`],
  [`${root}/live?show=activity`],
  [`${root}/live?room=lobby`],
  [`${root}/live?room=lobby`, click("Kick alice")],
  [`${root}/refusals`],
  [`${root}/refusals`, click(/^Explain/)],
  [`${root}/bans`],
  [`${root}/bans?show=revocations`],
  [`${root}/bans`, click("Ban somebody")],
  [`${root}/bans`, click("Revoke tokens")],
  [`${root}/audit`],
  [`${root}/audit`, click(/^Details/)],
  ["/refusals"],
  ["/statistics"],
  ["/audit"],
];

const storageState = await owner.page.context().storageState();
for (const colorScheme of ["light", "dark"]) {
  for (const width of colorScheme === "light" ? [360, 1280, 1920] : [360, 1280]) {
    const { page, faults } = await open(browser, url, { colorScheme, viewport: { width, height: 800 }, storageState });
    for (const [path, act] of STATES) {
      const where = `${path} ${act ? "with something open" : ""}, ${colorScheme} at ${width} px`;
      await page.goto(`${url}/console${path}`);
      await settled(page);
      await act?.(page);
      const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(scrollWidth <= width, `${where}: ${scrollWidth} px wide`);
      assert.deepEqual(await barriers(page), [], where);
    }
    assert.deepEqual(faults, []);
    await page.context().close();
  }
}
kept("every page can be used by all, fits, and keeps to its policy");

// A viewer, who sets themselves up in a browser of their own.
const viewer = await open(browser, url);
await setUp(viewer.page, invited.body.setup_link, new Person("grace"));
for (const path of new Set(STATES.map(([path]) => path))) {
  await viewer.page.goto(`${url}/console${path}`);
  await settled(viewer.page);
  assert.deepEqual(await changing(viewer.page), [], path);
}
const tried = [
  ["tokens", { user_id: "a" }],
  ["tokens/revoke", { user_id: "a" }],
  ["bans", { user_id: "a" }],
  ["sessions/kick", { user_id: "alice" }],
  ["sessions/withhold", { session_id: alice.login.sessionId, withhold: ["publish"] }],
  ["streams/stop", { stream_id: "alice-camera" }],
  ["rooms/close", { room_id: "lobby" }],
  ["rooms/message", { room_id: "lobby", text: "hello" }],
];
const refusals = viewer.faults.length;
for (const [path, body] of tried) {
  const answer = await ask(viewer.page, "POST", `/v1/apps/${appId}/${path}`, body);
  assert.deepEqual([answer.status, answer.body.code], [403, "forbidden"], path);
}
viewer.faults.splice(refusals);
assert.equal(alice.roomState, "LOGINED", "nothing has happened to alice");
kept("a viewer sees what happens and can change none of it, by the page or past it");

assert.deepEqual([owner.faults, viewer.faults], [[], []]);
await browser.close();
process.exit(0);
