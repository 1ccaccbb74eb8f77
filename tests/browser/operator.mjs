// What the app's backend and its operator do, over the API.

import assert from "node:assert/strict";

/** The API of the app that `roompass dev --json` printed. */
export class Operator {
  constructor({ url, app_id, backend_key }) {
    this.path = `${url}/v1/apps/${app_id}`;
    this.headers = { Authorization: `Bearer ${backend_key}`, "Content-Type": "application/json" };
  }

  async mint(userId, roomId, more = {}) {
    return (await this.minted(userId, roomId, more)).token;
  }

  /** All that the answer to a mint holds. */
  minted(userId, roomId, more = {}) {
    return this.#call("POST", "/tokens", { user_id: userId, room_id: roomId, privileges: ["login", "publish"], ttl_secs: 600, ...more });
  }

  revoke(userId) {
    return this.#call("POST", "/tokens/revoke", { user_id: userId });
  }

  async kick(userId) {
    const { session_ids } = await this.#call("POST", "/sessions/kick", { user_id: userId });
    assert.equal(session_ids.length, 1);
  }

  /** The live sessions of a room. */
  async sessions(roomId) {
    const { sessions } = await this.#call("GET", `/sessions?room_id=${roomId}`);
    return sessions;
  }

  /** The streams of a room, with what is measured of them. */
  async streams(roomId) {
    const { streams } = await this.#call("GET", `/streams?room_id=${roomId}`);
    return streams;
  }

  /** Who receives a stream, with what is measured on the way to each. */
  async receivers(streamId) {
    const { receivers } = await this.#call("GET", `/streams/receivers?stream_id=${encodeURIComponent(streamId)}`);
    return receivers;
  }

  /** Changes settings of the app. */
  async set(settings) {
    const { app } = await this.#call("GET", "");
    await this.#call("PATCH", "", { version: app.version, settings });
  }

  async #call(method, path, body) {
    const response = await fetch(this.path + path, { method, headers: this.headers, body: body && JSON.stringify(body) });
    const answer = await response.json();
    assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  }
}
