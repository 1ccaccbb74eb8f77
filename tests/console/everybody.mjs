// Every page about apps and people: can be used by all, fits, keeps to its policy, and is there at once.

import assert from "node:assert/strict";

import { barriers } from "../browser/axe.mjs";
import { kept, launch, server } from "../browser/launch.mjs";
import { Person, ask, open, pages, setUp, settled } from "./admin.mjs";

const { url, app_id: appId, setup_link: link } = await server();
const browser = await launch();
const first = await open(browser, url);

const gates = [["/sign-in", "Sign in"], [new URL(link).pathname.replace("/console", "") + new URL(link).hash, /Welcome/]];
for (const colorScheme of ["light", "dark"]) {
  for (const [path, heading] of gates) {
    const { page, faults } = await open(browser, url, { colorScheme, viewport: { width: 360, height: 740 } });
    await page.goto(`${url}/console${path}`);
    await page.getByRole("heading", { name: heading }).waitFor();
    assert.deepEqual(await barriers(page), [], `${path}, ${colorScheme}`);
    assert.deepEqual(faults, []);
    await page.context().close();
  }
}

await setUp(first.page, link, new Person("ada"));
const { body } = await ask(first.page, "POST", `/v1/apps/${appId}/webhooks`, { url: "https://hooks.example.com/r", description: "moderation" });
await ask(first.page, "POST", `/v1/apps/${appId}/secrets/rotate`, { overlap_secs: 7200 });
const storageState = await first.page.context().storageState();

/** What is open above a page, by how it is opened. */
const DIALOGS = { "/secrets": "Rotate", "/keys": "New key", "/webhooks": "New endpoint", "/people": "Invite" };

for (const colorScheme of ["light", "dark"]) {
  for (const width of colorScheme === "light" ? [360, 1280, 1920] : [360, 1280]) {
    const { page, faults } = await open(browser, url, { colorScheme, viewport: { width, height: 800 }, storageState });
    for (const path of pages(appId, body.webhook.endpoint_id)) {
      const where = `${path}, ${colorScheme} at ${width} px`;
      await page.goto(`${url}/console${path}`);
      await settled(page);
      const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(scrollWidth <= width, `${where}: ${scrollWidth} px wide`);
      assert.deepEqual(await barriers(page), [], where);
      const opener = Object.entries(DIALOGS).find(([end]) => path.endsWith(end))?.[1];
      if (!opener) continue;
      await page.locator("#main").getByRole("button", { name: opener }).first().click();
      await page.getByRole("dialog").waitFor();
      assert.deepEqual(await barriers(page), [], `the dialog of ${where}`);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      assert.equal(await page.evaluate(() => document.activeElement.innerText), opener, "the focus is back where it was");
    }
    assert.deepEqual(faults, []);
    await page.context().close();
  }
}
kept("every page can be used by all, fits, and keeps to its policy");

// Everything that a browser takes for a walk through all pages; what the pages then ask the API for is another matter.
{
  const { page, faults } = await open(browser, url, { storageState });
  const root = `/apps/${appId}`;
  const watched = ["/refusals", "/statistics", "/audit", ...["/workbench", "/live", "/refusals", "/bans", "/audit"].map((path) => root + path)];
  const taken = async (path) => {
    await page.goto(`${url}/console${path}`);
    await settled(page);
    return page.evaluate(() => {
      const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
      const own = all.filter(({ name }) => new URL(name).pathname.startsWith("/console"));
      return { bytes: own.reduce((sum, { transferSize }) => sum + transferSize, 0), sent: own.filter(({ transferSize }) => transferSize > 0).length };
    });
  };
  let bytes = 0;
  for (const path of [...pages(appId, body.webhook.endpoint_id), ...watched]) bytes += (await taken(path)).bytes;
  assert.ok(bytes > 50 * 1024 && bytes < 300 * 1024, `${bytes} bytes`);
  assert.equal((await taken(`${root}/live`)).sent, 1, "the shell, and no file a second time");
  console.error(`a walk through all pages takes ${Math.ceil(bytes / 1024)} KiB`);
  assert.deepEqual(faults, []);
  await page.context().close();
}
kept("all pages together are less than 300 KiB on their way, and come once");

// By keyboard alone: past the navigation, through it, and to another page.
const { page } = first;
await page.goto(`${url}/console`);
await settled(page);
await page.keyboard.press("Tab");
assert.equal(await page.evaluate(() => document.activeElement.innerText), "To the page");
await page.getByRole("link", { name: "People" }).focus();
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "People", level: 1 }).waitFor();
await page.waitForFunction(() => document.activeElement.tagName === "H1");
await page.setViewportSize({ width: 360, height: 740 });
await page.getByRole("button", { name: "Navigation" }).press("Enter");
await page.getByRole("link", { name: "Account" }).or(page.getByRole("link", { name: "ada" })).first().waitFor();
await page.keyboard.press("Escape");
assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Navigation");
kept("the keyboard is enough");

assert.deepEqual(first.faults, []);
await browser.close();
