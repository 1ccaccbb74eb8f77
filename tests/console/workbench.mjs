// The token workbench: mints, takes apart by itself, and has the server explain. A token is in no address and nothing kept.

import assert from "node:assert/strict";

import { kept, launch, server } from "../browser/launch.mjs";
import { mint } from "./client.mjs";
import { Person, open, setUp, settled } from "./admin.mjs";

const ready = await server();
const { url, app_id: appId, app_sign: appSign, server_secret: serverSecret, setup_link: link } = ready;
const browser = await launch();
const { page, faults } = await open(browser, url);
await setUp(page, link, new Person("ada"));
const asked = [];
page.on("request", (request) => asked.push({ url: request.url(), body: request.postData() ?? "" }));

await page.goto(`${url}/console/apps/${appId}/workbench`);
await settled(page);
await page.getByRole("button", { name: "Mint a token" }).click();
const dialog = page.getByRole("dialog");
await dialog.getByLabel("User").fill("alice");
await dialog.getByLabel("Room").fill("room1");
await dialog.getByLabel("Streams").fill("alice-camera alice-screen");
await dialog.getByRole("button", { name: "Mint", exact: true }).click();
await dialog.waitFor({ state: "detached" });
const area = page.getByLabel("Token", { exact: true });
const minted = await area.inputValue();
assert.match(minted, /^04AAAA/);
await page.getByText("In good form").waitFor();

const before = asked.length;
const fields = page.getByRole("list", { name: "Fields of the token" });
const names = await fields.getByRole("button").evaluateAll((all) => all.map((one) => one.querySelector("b").innerText));
assert.deepEqual(names, ["Version", "Expiry in clear", "Length of the IV", "IV", "Length of the ciphertext", "Ciphertext", "Authentication tag", "Mode"]);
// What is pointed at by the keyboard stands out in the bytes.
await fields.getByRole("button", { name: /^Authentication tag/ }).focus();
assert.ok((await page.locator(".dump .part.dim").count()) > 0);
assert.equal(await page.locator(".dump .part.tag.dim").count(), 0);
await page.getByText("Decoded by this page alone").waitFor();
assert.equal(asked.length, before, "taking it apart asks nobody");
kept("a token is minted, and taken apart by the page alone");

/** The same token, whose ciphertext is said to be 16 bytes shorter than it is. */
function withShorterLength(token) {
  const body = Buffer.from(token.slice(2), "base64");
  body.writeUInt16BE(body.readUInt16BE(22) - 16, 22);
  return `04${body.toString("base64")}`;
}

async function explain({ user = "alice", room = "room1", stream = "" } = {}) {
  for (const [label, value] of [["User", user], ["Room", room], ["Stream", stream]]) await page.locator("#main").getByLabel(label, { exact: true }).fill(value);
  await page.getByRole("button", { name: "Ask the server" }).click();
  await page.getByText("Explained by the server").waitFor();
  return page.locator(".answer");
}
let answer = await explain({ stream: "alice-camera" });
await answer.getByText("would be let in").waitFor();
await answer.getByText("alice-camera, alice-screen").waitFor();
for (const name of ["Issued", "Now", "Warning", "Expires"]) await answer.locator(".timeline").getByText(name, { exact: true }).waitFor();
for (const [attempt, code, remedy] of [
  [{ user: "Alice" }, "user_differs_by_case", "one spelling"],
  [{ room: "room2" }, "room_differs", "room2"],
  [{ stream: "bob-camera" }, "stream_not_listed", "bob-camera"],
]) {
  answer = await explain(attempt);
  await answer.getByText("would be refused").waitFor();
  const found = answer.getByRole("list", { name: "What the server found" });
  assert.equal(await found.getByRole("listitem").first().locator("code").innerText(), code);
  assert.ok((await found.innerText()).includes(remedy), `${code}: ${await found.innerText()}`);
}
kept("the server says whether it lets somebody in, and what to change");

const { token } = await mint(ready, { user_id: "alice", room_id: "room1" });
const { kit_token: kit } = await mint(ready, { user_id: "alice", room_id: "room1", user_name: "Alice", kit: true });
const { token: short } = await mint(ready, { user_id: "alice", room_id: "room1", ttl_secs: 1 });
const plus = token.includes("+") ? token : token.replace("/", "+");
const planted = [
  [`  ${token}\n`, "surrounding_white_space"],
  [`${token.slice(0, 76)}\r\n${token.slice(76)}`, "line_breaks"],
  [`"${token}"`, "quoted"],
  [JSON.stringify({ token }), "json_given"],
  [`Bearer ${token}`, "scheme_prefix"],
  [encodeURIComponent(kit), "percent_encoded"],
  [plus.replaceAll("+", " "), "plus_became_space"],
  [`${token.slice(0, 40)}-_${token.slice(42)}`, "url_safe_alphabet"],
  [token.slice(0, 100), "truncated"],
  [`${token.slice(0, 50)}é${token.slice(51)}`, "base64"],
  [withShorterLength(token), "trailing_bytes"],
  [`07${token.slice(2)}`, "version_unknown"],
  [token.slice(2), "version_missing"],
  [token + token, "several_tokens"],
  [kit.slice(0, -9), "kit_info"],
  ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt_given"],
  [appSign, "app_sign_given"],
  [serverSecret, "secret_given"],
];
for (const [text, code] of planted) {
  await area.fill(text);
  const found = page.getByRole("list", { name: "What is wrong with the text" });
  const line = found.getByRole("listitem").filter({ has: page.locator("code", { hasText: new RegExp(`^${code}$`) }) });
  await line.waitFor();
  const [problem, remedy] = await line.locator("p").allInnerTexts();
  assert.ok(problem.length > 20 && remedy.length > 20, code);
}
assert.ok(planted.length >= 12);
await area.fill(`"${token}"`);
await page.getByRole("button", { name: "Go on with the text put right" }).click();
await page.getByText("In good form").waitFor();
assert.equal(await area.inputValue(), token);
await area.fill(short);
await page.locator("code", { hasText: /^expired$/ }).waitFor();
kept("eighteen broken texts and an expired token are each told what is wrong and what to do");

// None of what was pasted has left the page but in the body of what asks the server, and none of it is kept.
const secrets = [minted, token, kit, short, appSign, serverSecret];
for (const { url: address, body } of asked) {
  assert.ok(secrets.every((secret) => !address.includes(secret.slice(2, 60)) && !address.includes(encodeURIComponent(secret.slice(2, 60)))), address.slice(0, 60));
  assert.ok(!body || secrets.every((secret) => !body.includes(secret)) || address.endsWith("/tokens/explain"), address);
}
const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, location.href]));
assert.ok(secrets.every((secret) => !stored.includes(secret)));
kept("what was pasted is in no address, and nowhere once the page is left");

assert.deepEqual(faults, []);
await browser.close();
