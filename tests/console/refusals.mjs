// A refusal on its way: from the login that is turned away, to the column in the chart, to what to do about it.

import assert from "node:assert/strict";

import { kept, launch, server, until } from "../browser/launch.mjs";
import { client, enter, introspect, mint } from "./client.mjs";
import { Person, ask, open, setUp, settled } from "./admin.mjs";

const ready = await server();
const { url, app_id: appId, setup_link: link } = ready;
const browser = await launch();
const { page, faults } = await open(browser, url);
await setUp(page, link, new Person("ada"));
const main = page.locator("#main");

await page.goto(`${url}/console/apps/${appId}/refusals`);
await settled(page);
await page.getByText("Nothing was refused").waitFor();

const { token, token_id: tokenId } = await mint(ready, { user_id: "alice", room_id: "room1" });
const refused = async (userId, roomId, shown) => assert.rejects(client(ready).loginRoom(roomId, { userId }, { token: shown }));
await refused("alice", "room2", token);
for (let time = 0; time < 3; time += 1) await refused("mallory", "room1", token);
await refused("trent", "room1", token.slice(0, 90));

// The trail is written within a second, and the page asks again within ten.
const reasons = main.getByRole("list", { name: "Reasons" });
await page.getByRole("heading", { name: "5 refused" }).waitFor();
const told = await reasons.getByRole("button").allInnerTexts();
assert.deepEqual(told.map((text) => text.split("\n")[0]), ["The token is of another user than the one who logs in", "The token is for another room", "The token ends before it is complete"]);
const chart = main.getByRole("slider", { name: /^[56] refusals; most often The token is of another user/ });
await chart.waitFor();
const keys = await reasons.locator(".key").evaluateAll((all) => all.map((key) => getComputedStyle(key).color));
assert.equal(new Set(keys).size, 3, "a colour for each reason");
await until("each colour is in the chart", () =>
  chart.locator("canvas").evaluate((canvas, keys) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const painted = new Set();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) painted.add(`rgb(${data[at]}, ${data[at + 1]}, ${data[at + 2]})`);
    return keys.every((key) => painted.has(key));
  }, keys),
);
kept("refused logins appear in the chart by themselves, by reason");

// Paused, nothing comes by itself, and no column moves on.
await main.getByRole("button", { name: "Pause" }).press("Enter");
await main.getByText(/^paused, updated/).waitFor();
await settled(page);

// By keyboard: at the beginning there is nothing; the last column that there is narrows the list to itself.
const span = main.getByLabel("Span");
await chart.focus();
await chart.press("Home");
assert.match(await chart.getAttribute("aria-valuetext"), /: nothing$/);
await chart.press("End");
await until("a column with refusals", async () => {
  if (/The token is/.test(await chart.getAttribute("aria-valuetext"))) return true;
  await chart.press("ArrowLeft");
  return false;
});
const [column, last] = [Number(await chart.getAttribute("aria-valuenow")), Number(await chart.getAttribute("aria-valuemax"))];
await chart.press("Enter");
await main.getByRole("button", { name: "Whole time" }).waitFor();
const [whole, ...spans] = await span.locator("option").evaluateAll((options) => options.map(({ value, innerText }) => ({ value, text: innerText })));
assert.equal(spans.reduce((sum, { text }) => sum + Number(text.split(": ").at(-1)), 0), 5, "every refusal is in a span");
assert.equal(await span.inputValue(), spans[0].value, "the last is chosen");
await span.selectOption(whole.value);
await main.getByRole("button", { name: "Whole time" }).waitFor({ state: "detached" });

// And by the mouse.
const box = await chart.locator(".u-over").boundingBox();
await page.mouse.click(box.x + ((column + 0.5) / (last + 1)) * box.width, box.y + box.height / 2);
await main.getByRole("button", { name: "Whole time" }).waitFor();
assert.equal(await span.inputValue(), spans[0].value, "the same column is chosen");
await main.getByRole("button", { name: "Whole time" }).click();
await refused("late", "room1", token);
await until("a sixth is counted when asked for", async () => {
  await main.getByRole("button", { name: "Refresh" }).click();
  return page.getByRole("heading", { name: "6 refused" }).count();
});
await reasons.getByRole("button", { name: /another user/ }).click();
const records = main.getByRole("table", { name: "Refusals" });
await page.waitForFunction(() => document.querySelectorAll("#main tbody tr").length === 4);
await records.getByRole("button", { name: "Explain the refusal of mallory" }).first().click();
const dialog = page.getByRole("dialog");
await dialog.getByText("Mint for exactly the id that logs in").waitFor();
for (const fact of ["user_mismatch", "token_user_mismatch", "mallory", "room1", tokenId, "127.0.0.1"]) {
  await dialog.getByText(fact, { exact: true }).first().waitFor();
}
await dialog.getByRole("link", { name: "All of this user" }).click();
await page.getByRole("heading", { name: "Audit trail", level: 1 }).waitFor();
await page.waitForFunction(() => document.querySelectorAll("#main tbody tr").length === 3);
kept("from the chart to the single login, and what to do about it");

const [file] = await Promise.all([page.waitForEvent("download"), main.getByRole("button", { name: "Export what is found" }).click()]);
const { readFile } = await import("node:fs/promises");
const lines = (await readFile(await file.path(), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
assert.deepEqual(lines.map(({ user_id: user, reason }) => [user, reason]), Array(3).fill(["mallory", "user_mismatch"]));
kept("what is found in the trail is handed out as a file");

const rotated = await ask(page, "POST", `/v1/apps/${appId}/secrets/rotate`, { overlap_secs: 7200 });
assert.equal(rotated.status, 200, JSON.stringify(rotated.body));
await page.goto(`${url}/console/statistics`);
await settled(page);
const summaries = () => main.locator(".plot").evaluateAll((all) => all.map(({ ariaLabel }) => ariaLabel).join("; "));
const isTold = [/Minted [\d.]*[1-9]/, /Good [\d.]*[1-9]/, /Not good [\d.]*[1-9]/, /Let in [\d.]*[1-9]/, /Refused [\d.]*[1-9]/, /By an earlier secret [\d.]*[1-9]/];
const times = ["Mint", "Verify", "Login"].map((what) => new RegExp(`${what}, half \\d[\\d.]* [µm]s, ${what}, 99 % \\d[\\d.]* [µm]s`));
// A sample of what was done comes every ten seconds.
await until("rates, times and the use of the earlier secret are in a sample", async () => {
  await (await enter(ready, "grace", "room1")).logoutRoom();
  assert.ok(await introspect(ready, token), "sealed with the secret before");
  await refused("mallory", "room1", token);
  const told = await summaries();
  return [...isTold, ...times].every((one) => one.test(told));
});
await main.getByRole("img", { name: /^Good tokens: The active secret [1-9]\d? %, An earlier one [1-9]\d? %$/ }).waitFor();
const rates = main.getByRole("slider", { name: /^Tokens a second, latest: / });
await rates.press("End");
assert.match(await rates.getAttribute("aria-valuetext"), /: Minted [\d.]+\/?s?, Good [\d.]+/);
await main.getByRole("list", { name: "Now" }).getByRole("listitem").filter({ hasText: "Mints" }).getByText(/^[1-9]\d* since the start$/).waitFor();
await main.getByRole("table", { name: "Nodes" }).getByText("answers").waitFor();
kept("the node says how it does: rates, times, and which secrets are in use");

assert.deepEqual(faults, []);
await browser.close();
process.exit(0);
