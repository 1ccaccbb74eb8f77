// How soon each page can be used with very many apps. No test: it is run by hand, and says what it measured.
//
//   roompass dev --json --setup --ephemeral --listen 127.0.0.1:0 | node tests/console/measure.mjs 10000

import { performance } from "node:perf_hooks";

import { launch, server } from "../browser/launch.mjs";
import { Person, ask, open, pages, setUp, settled } from "./admin.mjs";

const WANTED = Number(process.argv[2] ?? 10_000);
const { url, app_id: demo, setup_link: link } = await server();
const browser = await launch();
const { page } = await open(browser, url);
await setUp(page, link, new Person("ada"));

let begun = performance.now();
await page.evaluate(async (wanted) => {
  const { csrf_token: token } = await (await fetch("/v1/admin/session")).json();
  const headers = { "Content-Type": "application/json", "X-Roompass-Csrf": token };
  for (let made = 0; made < wanted; made += 6) {
    const some = Array.from({ length: Math.min(6, wanted - made) }, (_, at) => JSON.stringify({ settings: { name: `Project ${made + at} of somebody` } }));
    const answers = await Promise.all(some.map((body) => fetch("/v1/apps", { method: "POST", headers, body })));
    const failed = answers.find(({ ok }) => !ok);
    if (failed) throw new Error(await failed.text());
  }
}, WANTED);
console.log(`${WANTED} apps made in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
const { body } = await ask(page, "POST", `/v1/apps/${demo}/webhooks`, { url: "https://hooks.example.com/r", description: "moderation" });

/** From the request for the page to where everything on it is there and the browser has nothing left to do. */
async function measure(label, act) {
  const times = [];
  for (let round = 0; round < 5; round++) {
    begun = performance.now();
    await act();
    await settled(page);
    await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  console.log(`${label.padEnd(44)} ${times[2].toFixed(0).padStart(5)} ms, slowest ${times[4].toFixed(0).padStart(5)} ms, first paint ${paint?.toFixed(0) ?? "-"} ms`);
}

for (const path of [...pages(demo, body.webhook.endpoint_id), "?search=somebody", "?search=9999"]) {
  await measure(path || "/", () => page.goto(`${url}/console${path}`));
}
await browser.close();
process.exit(0);
