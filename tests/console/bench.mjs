// How soon each page is painted and can be used, with very many apps, a long audit trail and very many live users. No
// test of `make test`: `make bench-console` runs it on a release build. It ends with exit code 1 if a page misses a bar.
//
//   roompass dev --json --setup --ephemeral --listen 127.0.0.1:0 | node tests/console/bench.mjs 10000 100000 5000

import { performance } from "node:perf_hooks";

import { launch, server } from "../browser/launch.mjs";
import { Person, ask, open, pages, setUp, settled } from "./admin.mjs";
import { fill, gather, record } from "./crowd.mjs";

const [APPS, LINES, USERS] = [10_000, 100_000, 5_000].map((usual, at) => Number(process.argv[2 + at] ?? usual));
/** What is promised, in milliseconds. */
const PAINTED = 200;
const USABLE = 1000;
/** Each page is opened so often without, and with, what the browser has kept of it. */
const ROUNDS = 5;

const ready = await server();
const { url, app_id: app } = ready;
const browser = await launch();
// A picture that is shown by itself has no icon, and the browser looks for one.
const owner = await open(browser, url, { except: (text) => text.includes("/favicon.ico") });
await setUp(owner.page, ready.setup_link, new Person("ada"));

async function made(what, act) {
  const begun = performance.now();
  await act();
  console.log(`${what} after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}
await made(`${APPS} apps`, () => fill(owner.page, APPS));
await made(`${LINES} records`, () => record(ready, LINES));
await made(`${USERS} live users`, () => gather(ready, USERS));
const { body } = await ask(owner.page, "POST", `/v1/apps/${app}/webhooks`, { url: "https://hooks.example.com/r", description: "moderation" });
await ask(owner.page, "POST", `/v1/apps/${app}/bans`, { user_id: "trent", reason: "spam" });

const root = `/apps/${app}`;
const watched = ["/live", "/live?show=users", "/live?show=users&search=live-4", "/live?show=streams", "/live?room=room-7", "/refusals", "/refusals?range=2592000", "/audit", "/audit?result=refused", "/audit?reason=nonesuch", "/bans", "/workbench"];
const paths = [...pages(app, body.webhook.endpoint_id), "?search=somebody", "?search=9999", ...watched.map((path) => root + path), "/refusals", "/refusals?range=2592000", "/statistics", "/audit", "/audit?result=refused"];

const { page, faults } = owner;
const browserItself = await page.context().newCDPSession(page);

/**
 * Opens a page: the milliseconds from the request for it to its first paint, and to where everything on it is there and
 * the browser has nothing left to do. By the page's own clock.
 */
async function visit(path) {
  await page.goto(`${url}/console${path}`, { waitUntil: "commit" });
  await settled(page);
  return page.evaluate(async () => {
    const usable = await new Promise((resolve) => requestIdleCallback(() => resolve(performance.now())));
    const sent = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("/style.css")).transferSize;
    return { sent, painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity, usable };
  });
}

const middle = (visits, what) => visits.map((visit) => visit[what]).toSorted((a, b) => a - b)[Math.floor(visits.length / 2)];
const number = (ms, width = 6) => ms.toFixed(0).padStart(width);

let missed = 0;
console.log(`${"".padEnd(40)} for the first time  again\n${"milliseconds to the first paint, usable".padEnd(40)} paint usable    paint usable`);
for (const path of paths) {
  const [fresh, again] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    // Another place of this server: elsewhere, the browser would begin a process for it first.
    await page.goto(`${url}/console/assets/icon.svg`);
    await browserItself.send("Network.clearBrowserCache");
    fresh.push(await visit(path));
    if (!fresh.at(-1).sent) throw new Error(`${path} was kept by the browser`);
    again.push(await visit(path));
    if (faults.length) throw new Error(`${path}: ${faults.join("; ")}`);
  }
  const isMissed = [fresh, again].some((visits) => middle(visits, "painted") >= PAINTED || middle(visits, "usable") >= USABLE);
  if (isMissed) missed += 1;
  const figures = [fresh, again].map((visits) => `${number(middle(visits, "painted"))} ${number(middle(visits, "usable"))}`);
  console.log(`${(path || "/").replace(root, "/apps/…").replace(body.webhook.endpoint_id, "…").padEnd(39)} ${figures.join("   ")}${isMissed ? "  MISSED" : ""}`);
}
console.log(missed ? `${missed} pages missed ${PAINTED} ms to the first paint or ${USABLE} ms until usable` : `every page is painted within ${PAINTED} ms and usable within ${USABLE} ms (the middle of ${ROUNDS})`);
await browser.close();
process.exit(missed ? 1 : 0);
