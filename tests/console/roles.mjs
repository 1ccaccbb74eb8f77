// A read-only admin sees everything and changes nothing: not by the page, and not past it.

import assert from "node:assert/strict";

import { kept, launch, server } from "../browser/launch.mjs";
import { Person, ask, changing, open, pages, setUp, settled } from "./admin.mjs";

const { url, app_id: appId, setup_link: link } = await server();
const browser = await launch();
const owner = await open(browser, url);
await setUp(owner.page, link, new Person("ada"));
const webhook = { url: "https://hooks.example.com/r", description: "moderation" };
const made = await ask(owner.page, "POST", `/v1/apps/${appId}/webhooks`, webhook);
const endpoint = made.body.webhook.endpoint_id;

/** Has somebody invited, who sets themselves up in a browser of their own. */
async function invite(name, role, apps = []) {
  const { page } = owner;
  await page.goto(`${url}/console/people`);
  await page.getByRole("button", { name: "Invite" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByRole("radio", { name: role }).check();
  for (const [number, roleThere] of apps) {
    await dialog.getByRole("button", { name: "One more app" }).click();
    await dialog.getByLabel("AppID").last().fill(String(number));
    await dialog.getByLabel("Role").last().selectOption(roleThere);
  }
  await dialog.getByRole("button", { name: "Invite" }).click();
  const invitation = await dialog.getByLabel("Set-up link", { exact: true }).innerText();
  await dialog.getByRole("button", { name: "Done" }).click();
  const theirs = await open(browser, url, { except: (text) => text.includes("403") });
  await setUp(theirs.page, invitation, new Person(name));
  return theirs;
}

const { page, faults } = await invite("grace", /Viewer/);
// Somebody for one app alone. To invite takes a sign-in of the last minutes.
const other = (await ask(owner.page, "POST", "/v1/apps", { settings: { name: "Elsewhere" } })).body.app.app_id;
const single = await invite("linus", /Nothing/, [[other, "admin"]]);
for (const path of pages(appId, endpoint)) {
  await page.goto(`${url}/console${path}`);
  await settled(page);
  const main = page.locator("#main");
  assert.deepEqual(await changing(page), [], path);
  const fields = await main.locator("input, select, textarea").evaluateAll((all) => all.filter((one) => !one.matches(":disabled") && !["search"].includes(one.type) && !one.closest(".card header, .filters")).length);
  assert.equal(fields, 0, `${path} has fields to fill in`);
}
kept("a viewer sees every page, and no control that changes anything");

const before = JSON.stringify(await Promise.all(["", "/secrets", "/keys", "/webhooks"].map(async (path) => (await ask(owner.page, "GET", `/v1/apps/${appId}${path}`)).body)), (name, value) => (/server_time|last_used_at|opened_in/.test(name) ? undefined : value));
const { body: api } = await ask(page, "GET", "/openapi.json");
let tried = 0;
for (const [path, operations] of Object.entries(api.paths)) {
  for (const [method, { security, operationId }] of Object.entries(operations)) {
    const own = path.startsWith("/v1/admin/") && !path.startsWith("/v1/admin/admins");
    const asks = ["introspect_token", "explain_token"].includes(operationId) || /introspect|explain/.test(path);
    if (method === "get" || own || asks || !security?.some((one) => "admin_session" in one)) continue;
    const at = path.replace("{app_id}", appId).replace("{endpoint_id}", endpoint).replace(/\{[^}]+\}/g, "x");
    const { status, body } = await ask(page, method.toUpperCase(), at, { version: 1, settings: { name: "taken over" }, user_id: "alice" });
    assert.deepEqual([status, body.code], [403, "forbidden"], `${method} ${path}`);
    tried += 1;
  }
}
assert.ok(tried > 20, `${tried} operations`);
const after = JSON.stringify(await Promise.all(["", "/secrets", "/keys", "/webhooks"].map(async (path) => (await ask(owner.page, "GET", `/v1/apps/${appId}${path}`)).body)), (name, value) => (/server_time|last_used_at|opened_in/.test(name) ? undefined : value));
assert.equal(after, before);
kept("what the page does not offer, the server refuses");

await single.page.getByRole("link", { name: "Elsewhere" }).click();
await single.page.getByRole("button", { name: "Rename" }).waitFor();
await single.page.goto(`${url}/console/apps/${appId}`);
await single.page.getByRole("heading", { name: "This app cannot be shown" }).waitFor();
assert.equal(await single.page.getByRole("link", { name: "People" }).count(), 0);
assert.equal((await ask(single.page, "GET", "/v1/apps")).status, 403);
kept("an admin of one app has that app and no other");

assert.deepEqual(owner.faults, []);
assert.deepEqual(faults, []);
await browser.close();
