// What is set for an app: who would be shut out is seen first, what is changed can be changed back, what ends is over.

import assert from "node:assert/strict";
import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { createServer } from "node:http";

import { kept, launch, server, until } from "../browser/launch.mjs";
import { byAppSign, client, enter, mint } from "./client.mjs";
import { Person, ask, news, open, setUp, settled } from "./admin.mjs";

const ready = await server();
const { url, app_id: appId, app_sign: appSign, setup_link: link } = ready;
const browser = await launch();
// What is wrong in a form is said in the form.
const { page, faults } = await open(browser, url, { except: (text) => / (409|422) /.test(text) });
await setUp(page, link, new Person("ada"));
const main = page.locator("#main");
const dialog = page.getByRole("dialog");
const visit = async (path, app = appId) => {
  await page.goto(`${url}/console/apps/${app}${path}`);
  await settled(page);
};
const app = async () => (await ask(page, "GET", `/v1/apps/${appId}`)).body.app;
const isSet = (what, holds) => until(what, async () => holds((await app()).settings));

/** Whether somebody gets in by AppSign; if not, what they are told. */
async function cameBy(sign, userId = "bob") {
  const user = byAppSign(ready, sign);
  try {
    await user.loginRoom("lobby", { userId });
    await user.logoutRoom();
    return "in";
  } catch (error) {
    return error.code;
  }
}

// Alice and Cy come with tokens, Bob by AppSign.
for (const user of ["alice", "cy"]) await (await enter(ready, user, "lobby")).logoutRoom();
assert.equal(await cameBy(appSign), "in");
await visit("");
const choose = (mode) => main.getByRole("radio", { name: mode }).check();
await choose(/^Token only/);
const preview = main.getByRole("status");
await preview.getByText("1 of 3 users would be refused").waitFor();
await preview.getByText("1 × showed an AppSign and no token").waitFor();
await preview.getByText("Who: the latest 1").click();
await preview.getByRole("table", { name: "Users who would be refused" }).getByRole("row").filter({ hasText: "bob" }).waitFor();
await choose(/^AppSign/);
await preview.getByText("2 of 3 users would be refused").waitFor();
await preview.getByText("2 × showed no AppSign").waitFor();
assert.equal((await app()).settings.mode, "token_preferred", "to look changes nothing");
await choose(/^Token only/);
await main.getByRole("button", { name: "Switch to Token only" }).click();
await dialog.getByRole("button", { name: "Switch" }).click();
const switched = await news(page, "Clients now show: Token.");
assert.equal(await cameBy(appSign), "app_sign_refused");
await (await enter(ready, "alice", "lobby")).logoutRoom();
await switched.getByRole("button", { name: "Undo" }).click();
await isSet("the mode is what it was", ({ mode }) => mode === "token_preferred");
assert.equal(await cameBy(appSign), "in");
kept("a mode says first whom it would shut out, does so, and is taken back");

await visit("/app-sign");
const shown = main.getByLabel("AppSign", { exact: true });
assert.equal(await shown.count(), 0, "not before it is asked for");
await main.getByText(/^Used by 2 logins, last /).waitFor();
await main.getByRole("button", { name: "Show", exact: true }).click();
assert.equal(await shown.innerText(), appSign);
await main.getByRole("button", { name: "Hide" }).click();
await shown.waitFor({ state: "detached" });
const replace = async (sure) => {
  await main.getByRole("button", { name: "Make a new AppSign" }).click();
  await sure();
  await dialog.getByRole("button", { name: "Make a new one" }).click();
  await dialog.waitFor({ state: "detached" });
  return shown.innerText();
};
const second = await replace(() => dialog.getByText("Builds with the present one go on for 30 d.").waitFor());
assert.ok(second !== appSign && /^[0-9a-f]{64}$/.test(second), second);
await main.getByText(/^The one before proves logins until/).waitFor();
await main.getByText("No login has used it so far.").waitFor();
assert.deepEqual([await cameBy(appSign), await cameBy(second)], ["in", "in"]);
// Who still comes with it is told while somebody looks.
await main.getByText(/^The one before proves logins until .* Used by 3 logins, last /).waitFor();
await main.getByText(/^Used by 1 login, last /).waitFor();
assert.ok(await main.getByRole("button", { name: "Make a new AppSign" }).isDisabled(), "it was promised until its date");
await main.getByRole("button", { name: "End it now" }).click();
await dialog.getByText(/^\d logins? used it in the last 5 minutes\.$/).waitFor();
assert.ok(await dialog.getByRole("button", { name: "End it", exact: true }).isDisabled(), "somebody still comes with it");
await dialog.getByRole("textbox").fill("Demo");
await dialog.getByRole("button", { name: "End it", exact: true }).click();
await main.getByText(/^The one before proves logins until/).waitFor({ state: "detached" });
assert.deepEqual([await cameBy(appSign), await cameBy(second)], ["app_sign_wrong", "in"]);
await main.getByLabel("The present one stays good for", { exact: true }).fill("0");
const third = await replace(async () => {
  await dialog.getByText("Every client build there is stops working").waitFor();
  assert.ok(await dialog.getByRole("button", { name: "Make a new one" }).isDisabled(), "what throws everybody out is not one click away");
  await dialog.getByRole("textbox").fill("Demo");
});
assert.deepEqual([await cameBy(appSign), await cameBy(second), await cameBy(third)], ["app_sign_wrong", "app_sign_wrong", "in"]);
kept("an AppSign is shown when asked for, replaced with an overlap, or at once, and says who still comes with it");

await visit("/policies");
const save = main.getByRole("button", { name: "Save" });
await main.getByRole("radio", { name: /^They are removed/ }).check();
await main.getByText("1 setting is not saved").waitFor();
// Browsers ask before such a page is left; the answer here is no.
await page.getByRole("link", { name: "Overview" }).click();
await main.getByRole("heading", { name: "Formats and policies" }).waitFor();
await main.getByRole("button", { name: "Discard" }).click();
await save.waitFor({ state: "detached" });
await main.getByLabel("Users in a room", { exact: true }).fill("5");
await main.getByRole("radio", { name: /^Their streams stop/ }).check();
await main.getByText("2 settings are not saved").waitFor();
await save.click();
const saved = await news(page, "Saved.");
await isSet("both are set", ({ max_room_users: most, on_expiry: expiry }) => most === 5 && expiry === "stop_publish");
await saved.getByRole("button", { name: "Undo" }).click();
await isSet("both are what they were", ({ max_room_users: most, on_expiry: expiry }) => most === 0 && expiry === "soft");
// What is wrong is said where it is.
await main.getByLabel("Warn before expiry", { exact: true }).fill("400");
await save.click();
await main.locator(".field.wrong").filter({ hasText: "Warn before expiry" }).waitFor();
await main.getByRole("button", { name: "Discard" }).click();

const cbc = main.getByRole("checkbox", { name: "token04, AES-CBC" });
await cbc.check();
await save.click();
await dialog.getByText("does not prove who wrote it").waitFor();
await dialog.getByRole("button", { name: "Cancel" }).click();
assert.deepEqual((await app()).settings.formats, ["token04_gcm"]);
await save.click();
await dialog.getByRole("button", { name: "Take them" }).click();
await dialog.getByText("needs a secret of its own first").waitFor();
await dialog.getByRole("button", { name: "Cancel" }).click();
const made = await ask(page, "POST", `/v1/apps/${appId}/secrets/rotate`, { purpose: "cbc" });
assert.equal(made.status, 200, JSON.stringify(made.body));
await save.click();
await dialog.getByRole("button", { name: "Take them" }).click();
// That was a change of the app too, which this page had not heard of. What is not saved stays.
await dialog.getByText("The app has been changed meanwhile.").waitFor();
await dialog.getByRole("button", { name: "Cancel" }).click();
await save.click();
await dialog.getByRole("button", { name: "Take them" }).click();
const taken = await news(page, "Saved.");
await isSet("tokens of CBC are taken", ({ formats }) => formats.includes("token04_cbc"));
await taken.getByRole("button", { name: "Undo" }).click();
await isSet("and are no longer", ({ formats, cbc_policy: policy }) => formats.length === 1 && policy === "off");
kept("settings are saved and undone, and what is less safe is confirmed");

/** A token as the generator of an app elsewhere makes it. */
function elsewhere(appId, secret, userId) {
  const now = Math.floor(Date.now() / 1000);
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", secret, iv);
  const claims = JSON.stringify({ app_id: appId, user_id: userId, nonce: 7, ctime: now, expire: now + 600, payload: "" });
  const sealed = Buffer.concat([cipher.update(claims), cipher.final(), cipher.getAuthTag()]);
  const body = Buffer.alloc(12 + iv.length + sealed.length + 1);
  body.writeBigInt64BE(BigInt(now + 600));
  body.writeUInt16BE(iv.length, 8);
  iv.copy(body, 10);
  body.writeUInt16BE(sealed.length, 22);
  sealed.copy(body, 24);
  body[24 + sealed.length] = 1;
  return `04${body.toString("base64")}`;
}
const secret = randomBytes(16).toString("hex");
await page.goto(`${url}/console/new-app`);
await main.getByRole("tab", { name: "Import" }).click();
await main.getByLabel("Name", { exact: true }).fill("Moved here");
await main.getByLabel("AppID").fill("1234567");
await main.getByLabel("Server secret").fill(secret.slice(1));
await main.getByRole("button", { name: "Import" }).click();
await main.locator(".field.wrong").filter({ hasText: "Server secret" }).waitFor();
await main.getByLabel("Server secret").fill(secret);
await main.getByRole("button", { name: "Import" }).click();
await main.getByRole("heading", { name: "Moved here is ready" }).waitFor();
assert.equal(await main.getByLabel("Server secret", { exact: true }).innerText(), secret);
await main.getByLabel(/I have put the server secret/).check();
await main.getByRole("button", { name: "Go to the app" }).click();
await main.getByRole("heading", { name: "Moved here", level: 1 }).waitFor();
const moved = client({ ...ready, app_id: 1234567 });
await moved.loginRoom("lobby", { userId: "dora" }, { token: elsewhere(1234567, secret, "dora") });
await moved.logoutRoom();
kept("an app is taken over, and the tokens of its generator are good here");

await visit("/keys");
await main.getByRole("button", { name: "New key" }).click();
await dialog.getByLabel("Name", { exact: true }).fill("nightly job");
await dialog.getByRole("button", { name: "Make the key" }).click();
const job = { ...ready, backend_key: await dialog.getByLabel("Backend key", { exact: true }).innerText() };
await dialog.getByLabel("I have put it where my backend finds it.").check();
await dialog.getByRole("button", { name: "Done" }).click();
await mint(job, { user_id: "erin" });
const row = main.getByRole("row").filter({ hasText: "nightly job" });
await until("its use is seen", async () => {
  await page.reload();
  await settled(page);
  return (await row.locator("[data-label='Last used']").innerText()).trim() !== "never";
});
await row.getByRole("button", { name: "End" }).click();
await dialog.getByText("It was used within the last day.").waitFor();
await dialog.getByRole("textbox").fill("nightly job");
await dialog.getByRole("button", { name: "End the key" }).click();
await row.waitFor({ state: "detached" });
await until("it is refused", () => mint(job, { user_id: "erin" }).then(() => false, (error) => error.message.includes("unauthorized")));
kept("a key that is in use is ended with its name, and is over");

// A receiver that fails until its fault has been seen.
const heard = [];
let isWell = false;
const receiver = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  heard.push({ body, headers: request.headers });
  response.writeHead(isWell ? 204 : 503).end();
});
await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
await visit("/webhooks");
await main.getByRole("button", { name: "New endpoint" }).first().click();
await dialog.getByLabel("Address").fill(`http://127.0.0.1:${receiver.address().port}/hooks`);
await dialog.getByLabel("What it is for").fill("moderation");
await dialog.getByLabel("It is in a private network").check();
await dialog.getByRole("button", { name: "Make the endpoint" }).click();
const signingKey = await dialog.getByLabel("Signing key", { exact: true }).innerText();
await dialog.getByLabel(/I have put it/).check();
await dialog.getByRole("button", { name: "Done" }).click();
await main.getByRole("link", { name: "/hooks" }).click();
await main.getByRole("button", { name: "Send a test" }).click();
await dialog.getByRole("button", { name: "Send it" }).click();
const deliveries = main.getByRole("table", { name: "Deliveries" });
await deliveries.getByText("answered with another status than 2xx (503)").waitFor();
isWell = true;
await deliveries.getByText("delivered", { exact: true }).waitFor();
await deliveries.getByText(/^\d+, the last: taken \(204\)/).waitFor();
await deliveries.getByRole("button", { name: "Look" }).click();
const tries = heard.length;
assert.equal(await dialog.locator(".attempts li").count(), tries);
const [{ body: first }] = heard;
assert.deepEqual(JSON.parse(await dialog.getByLabel("body", { exact: true }).innerText()), JSON.parse(first));
await dialog.getByRole("button", { name: "Close" }).last().click();
await deliveries.getByRole("button", { name: "Again" }).click();
await dialog.getByRole("button", { name: "Deliver again" }).click();
await deliveries.getByText(new RegExp(`^${tries + 1}, the last: taken \\(204\\)`)).waitFor();
assert.deepEqual(heard.map(({ body }) => body), Array(tries + 1).fill(first), "the same each time");
for (const { body, headers } of heard) {
  const [, timestamp, signature] = headers["roompass-signature"].match(/^t=(\d+),v1=([0-9a-f]{64})$/);
  assert.equal(createHmac("sha256", signingKey).update(`${timestamp}.${body}`).digest("hex"), signature);
}
receiver.close();
kept("a delivery that failed is tried again by itself, and again when asked for");

assert.deepEqual(faults, []);
await browser.close();
process.exit(0);
