// How soon each page of the console is painted and can be used, with so much of everything as one likes.

import { performance } from "node:perf_hooks";

import { ask, open, pages, setUp, settled, Person } from "./admin.mjs";
import { fill, gather, record } from "./crowd.mjs";

/**
 * Fills the server with apps, records of the audit trail and live users, and gives what visits its pages: their `paths`, and
 * `visit(path)`, which tells for the first time and again. `say` hears how long the filling took.
 */
export async function crowded(browser, ready, { apps, lines, users, say = () => {} }) {
  const { url, app_id: app } = ready;
  // A picture that is shown by itself has no icon, and the browser looks for one.
  const { page, faults } = await open(browser, url, { except: (text) => text.includes("/favicon.ico") });
  await setUp(page, ready.setup_link, new Person("ada"));
  const made = async (what, act) => {
    const begun = performance.now();
    await act();
    say(`${what} after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  };
  const { body } = await ask(page, "POST", `/v1/apps/${app}/webhooks`, { url: "https://hooks.example.com/r", description: "moderation" });
  await ask(page, "POST", `/v1/apps/${app}/bans`, { user_id: "trent", reason: "spam" });
  await made(`${apps} apps`, () => fill(page, apps));
  await made(`${lines} records`, () => record(ready, lines));
  await made(`${users} live users`, () => gather(ready, users));

  const root = `/apps/${app}`;
  const watched = ["/live", "/live?show=users", "/live?show=users&search=live-4", "/live?show=streams", "/live?room=room-7", "/refusals", "/refusals?range=2592000", "/audit", "/audit?result=refused", "/audit?reason=nonesuch", "/bans", "/workbench"];
  const paths = [...pages(app, body.webhook.endpoint_id), "?search=somebody", "?search=9999", ...watched.map((path) => root + path), "/refusals", "/refusals?range=2592000", "/statistics", "/audit", "/audit?result=refused"];
  const nameOf = (path) => (path || "/").replace(root, "/apps/…").replace(body.webhook.endpoint_id, "…");
  const browserItself = await page.context().newCDPSession(page);

  /**
   * Opens a page: the milliseconds from the request for it to its first paint, and to where everything on it is there and
   * the browser has nothing left to do. By the page's own clock.
   */
  async function once(path) {
    await page.goto(`${url}/console${path}`, { waitUntil: "commit" });
    await settled(page);
    return page.evaluate(async () => {
      const usable = await new Promise((resolve) => requestIdleCallback(() => resolve(performance.now())));
      const sent = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("/style.css")).transferSize;
      return { sent, painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity, usable };
    });
  }

  async function visit(path) {
    // Another place of this server: elsewhere, the browser would begin a process for it first.
    await page.goto(`${url}/console/assets/icon.svg`);
    await browserItself.send("Network.clearBrowserCache");
    const fresh = await once(path);
    if (!fresh.sent) throw new Error(`${path} was kept by the browser`);
    const again = await once(path);
    if (faults.length) throw new Error(`${path}: ${faults.join("; ")}`);
    return { fresh, again };
  }
  return { paths, nameOf, visit };
}
