// Long lists are searched where they are, and no act is one slip away from being done for good.

import assert from "node:assert/strict";

import { kept, launch, server, until } from "../browser/launch.mjs";
import { mint } from "./client.mjs";
import { Person, ask, news, open, setUp, settled } from "./admin.mjs";

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
/** Waits until there are so many rows, with `text` in each of them. */
const rows = (count, text = "") =>
  page.waitForFunction(
    ([count, text]) => {
      const all = [...document.querySelectorAll("#main tbody tr")];
      return all.length === count && all.every((row) => row.innerText.includes(text));
    },
    [count, text],
  );

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
// That one, and fifty to fifty-nine.
await rows(11, "backend 5");
await main.getByRole("searchbox").fill("nobody's");
await page.getByText("No key fits").waitFor();

const { webhook } = await api("/webhooks", { url: "https://hooks.example.com/r", description: "moderation" });
const hook = `/webhooks/${webhook.endpoint_id}`;
for (let tried = 0; tried < 3; tried += 1) await api(`${hook}/test`);
await api("/bans", { user_id: "trent" });
await visit(root + hook);
await until("the ban is in the list of deliveries", async () => {
  await main.getByRole("button", { name: "Refresh" }).click();
  return main.getByRole("row").filter({ hasText: "banned" }).count();
});
await rows(4);
await main.getByLabel("State").selectOption("delivered");
await page.getByText("No delivery fits").waitFor();
await main.getByLabel("State").selectOption("");
await rows(4);
await main.getByRole("searchbox").fill("test");
await rows(3, "test");

const invited = await ask(page, "POST", "/v1/admin/admins", { name: "linus", roles: { everywhere: "viewer" } });
assert.equal(invited.status, 201, JSON.stringify(invited.body));
const other = await open(browser, url);
await setUp(other.page, invited.body.setup_link, new Person("linus"));
await visit("/people");
await rows(2);
await main.getByRole("searchbox").fill("ad");
await rows(1, "ada");
await main.getByRole("searchbox").fill("grace");
await page.getByText("Nobody by that name").waitFor();
kept("long lists come page by page, and are searched where they are");

await visit(root + hook);
await main.getByRole("button", { name: "Change" }).click();
await dialog.getByLabel("What it is for").fill("something else");
await dialog.getByRole("button", { name: "Save" }).click();
const saved = await news(page, "Saved.");
await page.getByRole("heading", { name: "something else", level: 1 }).waitFor();
await saved.getByRole("button", { name: "Undo" }).click();
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

assert.deepEqual([faults, other.faults], [[], []]);
await browser.close();
process.exit(0);
