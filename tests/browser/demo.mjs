// The demo page, before and in a call: on screens of all sizes, light and dark, and by keyboard alone.

import assert from "node:assert/strict";

import { barriers } from "./axe.mjs";
import { Caller } from "./caller.mjs";
import { kept, launch, newPage, server, until, watch } from "./launch.mjs";

const SIZES = [
  { width: 360, height: 740 },
  { width: 768, height: 1024 },
  { width: 1920, height: 1080 },
];

const { url } = await server();
const browser = await launch();

/** Nothing is cut off, and nothing keeps anybody out. */
async function fits(page) {
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of SIZES) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      const where = `${colorScheme} at ${viewport.width} px`;
      const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(scrollWidth <= viewport.width, `${where}: ${scrollWidth} px wide`);
      assert.deepEqual(await barriers(page), [], where);
    }
  }
}

const first = await newPage(browser);
const faults = await watch(first, url);
await first.goto(`${url}/demo`);
await fits(first);
assert.deepEqual(faults, []);
await first.close();
kept("the form fits, can be used by all, and keeps to its policy");

const ada = await Caller.join(browser, url, "looks", "Ada Lovelace");
const bob = await Caller.join(browser, url, "looks", "Bob Ünïc");
await until("Ada sees Bob", async () => (await ada.frames(bob.name)) > 2);
await ada.page.click("#try-stream");
await until("the refusal is told", async () => (await ada.log()).includes("publish_denied"));
await fits(ada.page);
assert.deepEqual(ada.faults, []);
await ada.close();
kept("the call fits, can be used by all, and keeps to its policy");

// Bob has no mouse.
await bob.page.focus("#mic");
for (const expected of ["camera", "screen", "leave"]) {
  await bob.page.keyboard.press("Tab");
  assert.equal(await bob.page.evaluate(() => document.activeElement.id), expected);
}
await bob.page.keyboard.press("Enter");
await bob.page.waitForSelector("#join:not([hidden])");
assert.equal(await bob.page.evaluate(() => document.activeElement.id), "name");
await bob.page.keyboard.type(" again");
await bob.page.keyboard.press("Enter");
await bob.page.waitForSelector("#call:not([hidden])");
assert.deepEqual(bob.faults, []);
kept("one leaves and joins by keyboard");

await browser.close();
