// A call as an operator sees it: what is measured of sound and pictures, at those who send and at each who receives.

import assert from "node:assert/strict";

import { barriers } from "../browser/axe.mjs";
import { Caller } from "../browser/caller.mjs";
import { kept, launch, server, until } from "../browser/launch.mjs";
import { Person, open, setUp, settled } from "./admin.mjs";

const ROOM = "call";
const ready = await server();
const { url, app_id: appId, setup_link: link } = ready;
const browser = await launch();
const { page, faults } = await open(browser, url);
await setUp(page, link, new Person("ada"));
const alice = await Caller.join(browser, url, ROOM, "Alice");
const bob = await Caller.join(browser, url, ROOM, "Bob", { rights: "listen" });
await until("Bob sees Alice", async () => (await bob.frames("Alice")) > 5);

await page.bringToFront();
await page.goto(`${url}/console/apps/${appId}/live?room=${ROOM}`);
await settled(page);
const main = page.locator("#main");
const streams = main.getByRole("table", { name: "Streams" });
const camera = streams.getByRole("row").filter({ hasText: `${alice.userId}-camera` });
await camera.getByText(/^[1-9]\d* kbit\/s|^[1-9.]+ Mbit\/s/).nth(1).waitFor();
for (const kind of ["audio", "video"]) await camera.getByText(kind, { exact: true }).waitFor();
await camera.getByText(/% lost, \d+ ms/).first().waitFor();
await camera.getByRole("button", { name: "1 user" }).waitFor();
kept("what somebody sends is seen with its rate, loss and time");

const users = main.getByRole("table", { name: "Users" });
const row = (caller) => users.getByRole("row").filter({ hasText: caller.userId });
const flow = /^↑ (\d+) kbit\/s ↓ (\d+) kbit\/s$/;
const carries = async (caller) => (await row(caller).locator(".flow").innerText()).replace(/\s+/g, " ").trim().match(flow)?.slice(1).map(Number);
await until("Alice sends and receives nothing", async () => {
  await page.getByRole("status").filter({ hasText: "following" }).waitFor();
  const rates = await carries(alice);
  return rates?.[0] > 0 && rates[1] === 0;
});
await until("Bob receives and sends nothing", async () => {
  const rates = await carries(bob);
  return rates?.[0] === 0 && rates[1] > 0;
});
kept("what each user's connection carries is seen, up and down");

await camera.getByRole("button", { name: "1 user" }).click();
const dialog = page.getByRole("dialog", { name: `Who plays ${alice.userId}-camera` });
const receivers = dialog.getByRole("table", { name: "Receivers" });
await receivers.getByRole("row").filter({ hasText: bob.userId }).nth(1).waitFor();
for (const kind of [/^audio/, /^video/]) await receivers.getByText(kind).waitFor();
await receivers.getByText(/^[1-9]\d* kbit\/s/).nth(1).waitFor();
await receivers.getByText(/% lost, \d+ ms/).nth(1).waitFor();
for (const width of [1280, 360]) {
  for (const colorScheme of ["light", "dark"]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    const where = `${colorScheme} at ${width} px`;
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, where);
    assert.deepEqual(await barriers(page), [], where);
  }
}
await page.setViewportSize({ width: 1280, height: 900 });
await dialog.getByRole("searchbox").fill("nobody's");
await dialog.getByText("No user fits").waitFor();
await dialog.getByRole("searchbox").fill("");
await receivers.getByText(/^video/).waitFor();
// Who leaves is not in the list any more, while it is looked at.
await bob.close();
await dialog.getByText("Nobody plays it").waitFor();
await dialog.getByRole("button", { name: "Close" }).click();
await camera.getByText("nobody plays it").waitFor();
kept("who receives a stream is seen one by one, and goes from the list when they do");

await alice.close();
assert.deepEqual(faults, []);
await browser.close();
