// Long lists are searched where they are, and no act is one slip away from being done for good.

import assert from "node:assert/strict";

import { kept, launch, server, until } from "../browser/launch.mjs";
import { mint } from "./client.mjs";
import { Person, ask, open, setUp, settled } from "./admin.mjs";

const ready = await server();
const { url, app_id: appId, setup_link: link } = ready;
const browser = await launch();
const { page, faults } = await open(browser, url);
await setUp(page, link, new Person("ada"));
const main = page.locator("#main");
const dialog = page.getByRole("dialog");
const root = `/apps/${appId}`;
const api = async (path, body) => {
  const answer = await ask(page, "POST", `/v1${root}${path}`, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
};
const visit = async (path) => {
  await page.goto(`${url}/console${path}`);
  await settled(page);
};
const rows = (count) => page.waitForFunction((count) => document.querySelectorAll("#main tbody tr").length === count, count);

for (let made = 0; made < 60; made += 1) await api("/keys", { name: `backend ${made}`, rights: ["mint"] });
await visit(`${root}/keys`);
await rows(50);
const next = main.getByRole("button", { name: "Next" });
await next.press("Enter");
await page.getByText("Page 2", { exact: true }).waitFor();
// The sixty, and that of the demo.
await rows(11);
assert.equal(await next.evaluate((button) => button === document.activeElement), true, "the end of a list takes nobody's focus away");
await main.getByRole("searchbox").fill("BACKEND 5");
await rows(11);
await main.getByRole("searchbox").fill("nobody's");
await page.getByText("No key fits").waitFor();

const { webhook } = await api("/webhooks", { url: "https://hooks.example.com/r", description: "moderation" });
const hook = `/webhooks/${webhook.endpoint_id}`;
for (let tried = 0; tried < 3; tried += 1) await api(`${hook}/test`);
await visit(root + hook);
await rows(3);
await main.getByLabel("State").selectOption("delivered");
await page.getByText("No delivery fits").waitFor();
await main.getByLabel("State").selectOption("");
await main.getByRole("searchbox").fill("test");
await rows(3);

await visit("/people");
await rows(1);
await main.getByRole("searchbox").fill("ad");
await rows(1);
await main.getByRole("searchbox").fill("grace");
await page.getByText("Nobody by that name").waitFor();
kept("long lists come page by page, and are searched where they are");

await visit(root + hook);
await main.getByRole("button", { name: "Change" }).click();
await dialog.getByLabel("What it is for").fill("something else");
await dialog.getByRole("button", { name: "Save" }).click();
await page.getByRole("heading", { name: "something else", level: 1 }).waitFor();
await page.locator(".toasts").getByRole("button", { name: "Undo" }).click();
await page.getByRole("heading", { name: "moderation", level: 1 }).waitFor();

await main.getByRole("button", { name: "New key" }).click();
await dialog.getByLabel("The present key signs for another", { exact: true }).fill("0");
const make = dialog.getByRole("button", { name: "Make a new key" });
assert.ok(await make.isDisabled(), "a key that ends at once is confirmed first");
await dialog.getByLabel("The present key is to end now.").check();
await make.click();
await dialog.getByLabel(/I have put it/).check();
await dialog.getByRole("button", { name: "Done" }).click();

await visit(root);
for (const [button, typed] of [["Switch off", "Demo"], ["Switch on"]]) {
  await main.getByRole("button", { name: button }).click();
  if (typed) await dialog.getByRole("textbox").fill(typed);
  await dialog.getByRole("button", { name: button }).click();
  await dialog.waitFor({ state: "detached" });
}

const { token } = await mint(ready, { user_id: "alice", room_id: "lobby" });
await visit(`${root}/bans?show=revocations`);
await main.getByRole("button", { name: "Revoke tokens" }).click();
await dialog.getByLabel("Which").selectOption("pasted");
await dialog.getByLabel("Token", { exact: true }).fill(token);
await dialog.getByRole("button", { name: "Revoke" }).click();
await rows(1);
await until("the pasted token is ended", async () => !(await api("/tokens/introspect", { token })).active);
kept("what was changed is undone, and what cannot be is confirmed");

assert.deepEqual(faults, []);
await browser.close();
process.exit(0);
