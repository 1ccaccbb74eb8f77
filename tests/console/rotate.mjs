// A rotation under live tokens: the share of the old secret is seen to go.

import assert from "node:assert/strict";

import { kept, launch, server } from "../browser/launch.mjs";
import { Person, open, setUp } from "./admin.mjs";
import { introspect, mint } from "./client.mjs";

const ready = await server();
const { url, app_id: appId, setup_link: link } = ready;
const browser = await launch();
const { page, faults } = await open(browser, url);
await setUp(page, link, new Person("ada"));

const mintFor = async (user) => (await mint(ready, { user_id: user, room_id: "r" })).token;
const isActive = (token) => introspect(ready, token);

const old = await Promise.all(Array.from({ length: 10 }, (_, at) => mintFor(`old${at}`)));
for (const token of old) assert.ok(await isActive(token));

await page.goto(`${url}/console/apps/${appId}/secrets`);
await page.getByRole("img", { name: /active [0-9a-f]{8} 100 %/ }).waitFor();
await page.getByRole("button", { name: "Rotate" }).click();
const dialog = page.getByRole("dialog");
await dialog.getByLabel("The present secret opens tokens for", { exact: true }).fill("2");
await dialog.getByLabel(/^Unit of/).selectOption("h");
await dialog.getByText("are refused before their own expiry").waitFor();
await dialog.getByRole("button", { name: "Make a new secret" }).click();
const secret = await dialog.getByLabel("Server secret", { exact: true }).innerText();
assert.equal(secret.length, 32);
await page.keyboard.press("Escape");
assert.ok(await dialog.isVisible(), "what is shown once does not go by a slip");
await dialog.getByLabel(/I have put it/).check();
await dialog.getByRole("button", { name: "Go on" }).click();
await dialog.getByRole("img", { name: /previous [0-9a-f]{8} 100 %/ }).waitFor();
await dialog.getByText("Last used").waitFor();
await dialog.getByText(/, in 1 h$|, in 2 h$/).waitFor();
kept("rotated, all tokens are on the secret before");

const young = [];
for (let at = 0; at < 30; at++) young.push(await mintFor(`new${at}`));
for (const token of young.slice(0, 10)) assert.ok(await isActive(token));
await dialog.getByRole("img", { name: /new [0-9a-f]{8} 50 %, previous [0-9a-f]{8} 50 %/ }).waitFor();
for (const token of young.slice(10)) assert.ok(await isActive(token));
await dialog.getByRole("img", { name: /new [0-9a-f]{8} 75 %, previous [0-9a-f]{8} 25 %/ }).waitFor();
await dialog.getByRole("button", { name: "Done" }).click();
kept("the share moves while it is watched");

for (const token of old) assert.ok(await isActive(token), "the old ones are good until the deadline");
await page.getByText(/opens tokens for another 1 h 5\d min/).waitFor();
await page.getByRole("button", { name: "End now" }).click();
const question = page.getByRole("dialog");
const yes = question.getByRole("button", { name: "End it" });
assert.ok(await yes.isDisabled(), "tokens of the last minutes are at stake: its fingerprint is asked for");
const [fingerprint] = (await question.getByRole("heading").innerText()).match(/[0-9a-f]{8}/);
await question.getByRole("textbox").fill(fingerprint);
await yes.click();
await page.getByText("No rotation is under way.").waitFor();
assert.deepEqual(await Promise.all(old.map(isActive)), old.map(() => false));
assert.ok(await isActive(young[0]));
kept("ended before its time, its tokens are refused and the others are not");

assert.deepEqual(faults, []);
await browser.close();
