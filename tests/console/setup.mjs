// From the set-up link to the first app, and back in another day.

import assert from "node:assert/strict";

import { kept, launch, server } from "../browser/launch.mjs";
import { Person, ask, fillSetup, open, signIn } from "./admin.mjs";

const { url, setup_link: link } = await server();
const browser = await launch();
const wrongCode = (text) => text.includes("422") && text.includes("/v1/admin/setup");
const { page, faults } = await open(browser, url, { except: wrongCode });
const ada = new Person("ada@example.com");

// Without an admin, the console says how to become one.
await page.goto(`${url}/console`);
await page.getByText("Nobody can sign in yet").waitFor();
assert.equal(new URL(page.url()).pathname, "/console/sign-in");

const asked = [];
page.on("request", (request) => asked.push(request.url()));
await fillSetup(page, link, ada);
assert.ok(new URL(link).hash.length > 20, "the code is where browsers do not send it");
assert.equal(page.url(), `${url}/console/setup`, "and the address no longer shows it");
const code = new URL(link).hash.slice(1);
assert.ok(asked.every((address) => !address.includes(code)), "no request names it");
await page.getByRole("img", { name: /camera/ }).waitFor();
// A code of the authenticator that is wrong costs nothing.
const right = await page.getByLabel("Code", { exact: true }).inputValue();
await page.getByLabel("Code", { exact: true }).fill(right === "000000" ? "000001" : "000000");
await page.getByRole("button", { name: "Finish" }).click();
await page.getByText("Is not the code that the new secret gives now").waitFor();
await page.getByLabel("Code", { exact: true }).fill(right);
await page.getByRole("button", { name: "Finish" }).click();
await page.getByRole("heading", { name: "Apps", level: 1 }).waitFor();
kept("a set-up link makes an owner, and is in no address and no request");

await page.getByRole("link", { name: "New app" }).click();
await page.getByLabel("Name").fill("Classroom");
await page.getByRole("radio", { name: /Token only/ }).check();
await page.getByRole("button", { name: "Make the app" }).click();
await page.getByRole("heading", { name: "Classroom is ready" }).waitFor();
const secret = await page.getByLabel("Server secret", { exact: true }).innerText();
assert.equal(secret.length, 32);
await page.getByLabel(/I have put the server secret/).check();
await page.getByRole("button", { name: "Make a backend key" }).click();
await page.getByRole("heading", { name: "Backend keys" }).waitFor();
const appId = page.url().match(/apps\/(\d+)/)[1];
await page.getByRole("button", { name: "New key" }).first().click();
await page.getByRole("dialog").getByLabel("Name").fill("chat backend");
await page.getByRole("button", { name: "Make the key" }).click();
const key = await page.getByLabel("Backend key", { exact: true }).innerText();
const mint = await fetch(`${url}/v1/apps/${appId}/tokens`, {
  method: "POST",
  headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
  body: JSON.stringify({ user_id: "alice", room_id: "room1" }),
});
assert.equal(mint.status, 200, "the key does what it is for");
await page.getByLabel("I have put it where my backend finds it.").check();
await page.getByRole("button", { name: "Done" }).click();
await page.getByText("chat backend").waitFor();
const shown = await page.content();
assert.ok(!shown.includes(secret) && !shown.includes(key), "each was shown once");
kept("the first app and its first key, each credential shown once");

// Nothing of a credential stays in the browser but the cookie, which no script can read.
const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state, location.href]));
assert.ok([secret, key, ada.password, code].every((text) => !stored.includes(text)), stored);
assert.equal(await page.evaluate(() => document.cookie), "");

await page.getByRole("button", { name: "Sign out" }).click();
await page.getByRole("heading", { name: "Sign in" }).waitFor();
await page.goBack();
await page.getByRole("heading", { name: "Sign in" }).waitFor();
assert.ok(!(await page.content()).includes("chat backend"), "the way back shows nothing of before");
kept("signed out, the way back shows nothing");

// Somebody who had put a session of theirs into this browser gets nothing from the next sign-in.
await page.context().addCookies([{ name: "roompass", value: "planted", url, httpOnly: true, sameSite: "Strict" }]);
await page.goto(`${url}/console/apps/${appId}`);
await page.getByRole("heading", { name: "Sign in" }).waitFor();
await signIn(page, ada);
await page.getByRole("heading", { name: "Classroom", level: 1 }).waitFor();
assert.equal(new URL(page.url()).pathname, `/console/apps/${appId}`, "back to where it began");
const [cookie] = (await page.context().cookies()).filter(({ name }) => name === "roompass");
assert.ok(cookie.value !== "planted" && cookie.httpOnly && cookie.sameSite === "Strict");
assert.equal((await ask(page, "GET", "/v1/admin/session")).body.name, ada.name);
kept("a sign-in begins a session of its own, and goes on to the page that was asked for");

assert.deepEqual(faults, []);
await browser.close();
