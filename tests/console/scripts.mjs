// Fifty texts that would be scripts if a page let them. They are put wherever a name can be, and shown as they are.

import assert from "node:assert/strict";

import { kept, launch, server } from "../browser/launch.mjs";
import { Person, ask, open, setUp, settled } from "./admin.mjs";
import { client, mint } from "./client.mjs";

const RUN = "top.roompassWasHad=1;alert(1)";
const PAYLOADS = [
  `<script>${RUN}</script>`, `<ScRiPt>${RUN}</sCrIpT>`, `<script/x>${RUN}</script>`, `<script src=data:text/javascript,${RUN}></script>`, `<script src=//evil.example/x.js></script>`,
  `"><script>${RUN}</script>`, `'><script>${RUN}</script>`, `</title><script>${RUN}</script>`, `</textarea><script>${RUN}</script>`, `</script><script>${RUN}</script>`,
  `<img src=x onerror="${RUN}">`, `<img src=x onerror=${RUN}//`, `<IMG SRC=x ONERROR=${RUN}>`, `"><img src=x onerror=${RUN}>`, `<img/src="x"/onerror="${RUN}">`,
  `<svg onload=${RUN}>`, `<svg><script>${RUN}</script></svg>`, `<svg><animate onbegin=${RUN} attributeName=x dur=1s>`, `<svg><a xlink:href="javascript:${RUN}"><text x=20 y=20>x</text></a></svg>`, `<svg/onload=${RUN}//`,
  `<body onload=${RUN}>`, `<iframe src="javascript:${RUN}">`, `<iframe srcdoc="<script>${RUN}</script>">`, `<object data="javascript:${RUN}">`, `<embed src="javascript:${RUN}">`,
  `<a href="javascript:${RUN}">x</a>`, `<a href="JaVaScRiPt:${RUN}">x</a>`, `<a href="data:text/html,<script>${RUN}</script>">x</a>`, `javascript:${RUN}`, `<form action="javascript:${RUN}"><button>x</button></form>`,
  `<input autofocus onfocus=${RUN}>`, `" autofocus onfocus=${RUN} x="`, `' onmouseover=${RUN} x='`, `<details open ontoggle=${RUN}>`, `<video><source onerror=${RUN}></video>`,
  `<audio src onerror=${RUN}>`, `<marquee onstart=${RUN}>`, `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`, `<base href="//evil.example/">`, `<link rel=stylesheet href=//evil.example/x.css>`,
  `<style>@import "//evil.example/x.css";</style>`, `<div style="background:url(//evil.example/x)">`, `<math><mtext><table><mglyph><style><img src=x onerror=${RUN}>`, `<template><script>${RUN}</script></template>`, `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
  `\${${RUN}}`, `{{constructor.constructor('${RUN}')()}}`, `<!--><script>${RUN}</script>-->`, `&lt;script&gt;${RUN}&lt;/script&gt;`, `\u2028<xss onpointerrawupdate=${RUN} style=position:fixed;inset:0>x`,
];
assert.equal(new Set(PAYLOADS).size, 50);

const ready = await server();
const { url, app_id: demo, setup_link: link } = ready;
const browser = await launch();
const { page, faults } = await open(browser, url);
let dialogs = 0;
page.on("dialog", (dialog) => {
  dialogs += 1;
  void dialog.dismiss();
});
await setUp(page, link, new Person("ada"));

const apps = [];
for (const [at, payload] of PAYLOADS.entries()) {
  const must = async (path, body) => {
    const { status, body: answer } = await ask(page, "POST", path, body);
    assert.equal(status, 200, `${path}: ${JSON.stringify(answer)}`);
    return answer;
  };
  apps.push((await must("/v1/apps", { settings: { name: payload, app_sign_min_sdk: null } })).app.app_id);
  await must(`/v1/apps/${demo}/keys`, { name: payload, rights: ["mint"], room_prefix: payload.slice(0, 100).replace(/[^\x21-\x7e]/g, "") });
  await must(`/v1/apps/${demo}/bans`, { user_id: `banned${at}`, reason: payload.replace("\u2028", "") });
  if (at < 10) await must(`/v1/apps/${demo}/webhooks`, { url: `https://hooks.example.com/?${encodeURIComponent(payload)}`, description: payload });
}

// What clients say of themselves: names, what goes with a stream, what is said in the room.
const users = [];
for (const [at, payload] of PAYLOADS.entries()) {
  const userId = `user${at}`;
  const { token } = await mint(ready, { user_id: userId, room_id: "r", privileges: ["login", "publish"], ttl_secs: 600 });
  const user = client(ready);
  await user.loginRoom("r", { userId, userName: payload }, { token });
  await user.startPublishingStream(`stream${at}`, { media: ["audio"], extra: payload });
  users.push(user);
}

/** Goes to a page, waits until it has done what it would do, and points at it. */
async function look(path, { reload = false } = {}) {
  const address = `${url}/console${path}`;
  if (reload) await page.goto(address);
  else await page.evaluate((address) => (history.pushState(null, "", address), dispatchEvent(new PopStateEvent("popstate"))), address);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  await settled(page);
  await page.mouse.move(640, 450);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}
const visible = (text) => page.locator("#main").evaluate((main, text) => main.innerText.includes(text), text.replace(/\s+/g, " ").trim());
await look("", { reload: true });
/** What stands in the first column, on the first page of a list and on the second. */
async function listed() {
  const names = page.locator("#main tbody td:first-child");
  const first = await names.allInnerTexts();
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByText("Page 2", { exact: true }).waitFor();
  await settled(page);
  return [...first, ...(await names.allInnerTexts())];
}
const named = await listed();
assert.deepEqual(PAYLOADS.filter((payload) => !named.includes(payload)), [], "each is shown as it is");
for (const [at, appId] of apps.entries()) {
  await look(`/apps/${appId}`);
  assert.ok(PAYLOADS[at].includes("\u2028") || (await visible(PAYLOADS[at])), PAYLOADS[at]);
  assert.ok((await page.title()).length > 0);
}
await look(`/apps/${demo}/keys`);
const keys = await listed();
const plain = (text) => text.replace(/\s+/g, " ").trim();
assert.deepEqual(PAYLOADS.filter((payload) => !/\u2028/.test(payload) && !keys.some((name) => plain(name).includes(plain(payload)))), [], "and so are the names of keys");
await look(`/apps/${demo}/webhooks`);
const hooks = (await ask(page, "GET", `/v1/apps/${demo}/webhooks`)).body.webhooks;
for (const { endpoint_id: endpoint } of hooks) await look(`/apps/${demo}/webhooks/${endpoint}`);
for (const payload of PAYLOADS.filter((_, at) => at % 5 === 0)) {
  await look(`?search=${encodeURIComponent(payload)}`, { reload: true });
  await look(`/apps/${encodeURIComponent(payload)}`);
  await look(`/${encodeURIComponent(payload)}`);
}
// What happens while somebody looks.
await page.goto(`${url}/console/apps/${demo}/live?room=r`);
await settled(page);
for (const [at, user] of users.entries()) {
  await user.sendRoomMessage(PAYLOADS[at]);
  await user.setRoomExtraInfo(`key${at % 5}`, PAYLOADS[at]);
}
await Promise.all(users.map((user) => user.logoutRoom()));
for (const path of ["live", "live?room=r", "bans", "refusals", "audit", "workbench"]) await look(`/apps/${demo}/${path}`);
for (const path of ["audit", "refusals", "statistics", "people", "account"]) await look(`/${path}`);
await look(`/apps/${demo}/bans`);
const bans = await page.locator("#main").innerText();
assert.ok(bans.includes(PAYLOADS[0]), "the reasons of bans are shown");
// A token whose inside is a script, taken apart by the page.
const { token: spoken } = await mint(ready, { user_id: "alice", room_id: "r" });
await look(`/apps/${demo}/workbench`);
for (const text of [...PAYLOADS.slice(0, 12), `${spoken}<img src=x onerror=${RUN}>`]) await page.getByLabel("Token", { exact: true }).fill(text);
// A page whose address is of somebody else's making leads nowhere else either.
for (const next of [`javascript:${RUN}`, "//evil.example/", "https://evil.example/", "/\\evil.example"]) {
  await page.goto(`${url}/console/sign-in?next=${encodeURIComponent(next)}`);
  await page.getByRole("heading", { name: "Apps", level: 1 }).waitFor();
  assert.equal(new URL(page.url()).origin, url);
}
assert.equal(await page.evaluate(() => window.roompassWasHad), undefined);
assert.equal(dialogs, 0);
assert.deepEqual(faults.filter((fault) => !/ 40[04] /.test(fault)), []);
kept("fifty scripts in names stay texts");

// Other sites can neither frame the console nor change something in its name.
const { createServer } = await import("node:http");
const evil = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(`<iframe src="${url}/console"></iframe>`));
await new Promise((resolve) => evil.listen(0, "127.0.0.1", resolve));
const site = `http://localhost:${evil.address().port}`;
const trap = await page.context().newPage();
await trap.goto(site);
const frame = trap.frames().find((frame) => frame !== trap.mainFrame());
await trap.waitForFunction(() => document.readyState === "complete");
assert.equal(await frame.locator("#console").count(), 0, "the frame stays empty");
const sent = await trap.evaluate(async (target) => {
  const tries = [
    { method: "POST", headers: { "Content-Type": "text/plain" }, body: '{"settings":{"name":"forged"}}' },
    { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "settings=forged" },
  ];
  return Promise.all(tries.map((request) => fetch(target, { ...request, mode: "no-cors", credentials: "include" }).then(({ type }) => type)));
}, `${url}/v1/apps`);
assert.deepEqual(sent, ["opaque", "opaque"]);
assert.equal((await ask(page, "GET", "/v1/apps?search=forged")).body.apps.length, 0);
evil.close();
kept("other sites can neither frame the console nor act in its name");
await browser.close();
