// A person at the demo page: joins, sees others, and can be made deaf to the server, as a hostile client would be.

import { giveEyes, received, sent } from "./eyes.mjs";
import { watch } from "./launch.mjs";

export class Caller {
  /**
   * Joins `roomId` as `name`. `ttlSecs` is the life of tokens, `renews` whether the page renews them by itself, `rights`
   * what they allow: `publish`, `listen` or `audio`.
   */
  static async join(browser, url, roomId, name, { ttlSecs = 600, renews = true, rights = "publish", except } = {}) {
    const caller = new Caller();
    caller.name = name;
    caller.deaf = false;
    const context = await browser.newContext({ viewport: { width: 480, height: 480 } });
    caller.page = await context.newPage();
    caller.faults = await watch(caller.page, url, { except });
    await giveEyes(caller.page);
    await caller.page.routeWebSocket(/\/v1\/gateway/, (socket) => {
      caller.socket = socket;
      const server = socket.connectToServer();
      server.onMessage((message) => caller.deaf || socket.send(message));
      server.onClose((code, reason) => caller.deaf || socket.close({ code, reason }));
    });
    await caller.page.route(/\/demo\/token$/, async (route) => {
      const body = { ...route.request().postDataJSON(), ttl_secs: ttlSecs };
      caller.userId = body.user_id;
      caller.mintedAt = Date.now();
      await route.continue({ postData: JSON.stringify(body) });
    });
    await caller.page.goto(`${url}/demo`);
    await caller.page.fill("#name", name);
    await caller.page.fill("#room", roomId);
    await caller.page.selectOption("#rights", rights);
    await caller.page.setChecked("#auto", renews);
    await caller.page.click("#enter");
    return caller;
  }

  /** What has come of the person `name`, by kind; of tracks once known, even when the tile is gone. */
  async seen(name) {
    const tracks = await this.tracksOf(name);
    const all = await received(this.page);
    return Object.fromEntries(all.filter(({ track }) => tracks.includes(track)).map((of) => [of.kind, of]));
  }

  /** How many pictures of `name` were decoded. */
  async frames(name) {
    return (await this.seen(name)).video?.frames ?? 0;
  }

  /** When the last packet of `name` came in, as this machine's clock has it. */
  async lastPacketAt(name) {
    const { audio, video } = await this.seen(name);
    return Math.max(audio?.lastPacketAt ?? 0, video?.lastPacketAt ?? 0);
  }

  /** How many packets this person's browser has sent. */
  sent() {
    return sent(this.page);
  }

  /** From now on the page hears nothing from the server, and goes on with what it does. */
  becomeDeaf() {
    this.deaf = true;
  }

  /** The page hears this as if the server said it. */
  hear(message) {
    this.socket.send(JSON.stringify(message));
  }

  log() {
    return this.page.innerText("#log");
  }

  close() {
    return this.page.context().close();
  }

  async tracksOf(name) {
    this.known ??= new Map();
    const now = await this.page.evaluate((name) => window.roompassTest.tracksOf(name), name);
    if (now.length > 0) this.known.set(name, now);
    return this.known.get(name) ?? [];
  }
}
