// A person at the demo page: joins, sees others, and can be made deaf to the server, as a hostile client would be.

import { giveEyes, received, sent } from "./eyes.mjs";
import { newPage, until, watch } from "./launch.mjs";

export class Caller {
  /**
   * Joins `roomId` as `name`. `ttlSecs` is the life of tokens, `renews` whether the page renews them by itself, `rights`
   * what they allow: `publish`, `listen` or `audio`. Before that, `prepare` may do something to the page.
   */
  static async join(browser, url, roomId, name, options = {}) {
    const caller = await Caller.open(browser, url, options);
    const { renews = true, rights = "publish", withCamera = true, withMic = true } = options;
    caller.name = name;
    await caller.page.fill("#name", name);
    await caller.page.fill("#room", roomId);
    await caller.page.selectOption("#rights", rights);
    await caller.page.setChecked("#auto", renews);
    await caller.page.setChecked("#with-camera", withCamera);
    await caller.page.setChecked("#with-mic", withMic);
    await caller.page.click("#enter");
    return caller;
  }

  /** The page, before anybody has joined. */
  static async open(browser, url, { ttlSecs = 600, except, isHeard = true, answer = (sdp) => sdp, prepare } = {}) {
    const caller = new Caller();
    /** The life of the next token. */
    caller.ttlSecs = ttlSecs;
    caller.deaf = false;
    /** Makes something else of the server's answers to the page's offers. */
    caller.answer = answer;
    caller.page = await newPage(browser, { viewport: { width: 480, height: 480 } });
    caller.faults = await watch(caller.page, url, { except });
    await giveEyes(caller.page);
    if (isHeard) await caller.page.routeWebSocket(/\/v1\/gateway/, (socket) => caller.#carry(socket));
    await caller.page.route(/\/demo\/token$/, async (route) => {
      const body = { ...route.request().postDataJSON(), ttl_secs: caller.ttlSecs };
      caller.userId = body.user_id;
      await route.continue({ postData: JSON.stringify(body) });
    });
    if (prepare) await prepare(caller.page);
    await caller.page.goto(`${url}/demo`);
    return caller;
  }

  #carry(socket) {
    this.socket = socket;
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      const { type, sdp } = JSON.parse(message);
      if (type === "renew_token") this.renewedAt = Date.now();
      if (type === "media_offer") this.offered = sdp;
      server.send(message);
    });
    server.onMessage((message) => {
      if (this.deaf) return;
      const told = JSON.parse(message);
      socket.send(told.type === "media_answer" ? JSON.stringify({ ...told, sdp: this.answer(told.sdp) }) : message);
    });
    server.onClose((code, reason) => this.deaf || socket.close({ code, reason }));
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

  /** Something comes of `name`: sound, and `more` pictures than before. */
  async sees(name, more = 5) {
    const before = await this.frames(name);
    await until(`${this.name} sees and hears ${name}`, async () => {
      const { audio, video } = await this.seen(name);
      return audio?.packets > 10 && video?.frames >= before + more;
    });
  }

  /** What this person's browser sends. */
  sent() {
    return sent(this.page);
  }

  /** How many connections for media the page has made, and how many of them are not closed. */
  connections() {
    return this.page.evaluate(() => {
      const { connections } = window.roompassTest;
      return { made: connections.length, open: connections.filter(({ connectionState }) => connectionState !== "closed").length };
    });
  }

  /** Takes a token that is good for `ttlSecs`, and so do all that follow. */
  async renewInto(ttlSecs) {
    this.ttlSecs = ttlSecs;
    const before = (await this.log()).split("The token was renewed.").length;
    await this.page.click("#renew");
    await until(`${this.name} has renewed`, async () => (await this.log()).split("The token was renewed.").length > before);
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

  /** Waits until the page has told `text`. */
  told(text) {
    return until(`${this.name} is told: ${text}`, async () => (await this.log()).includes(text));
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
