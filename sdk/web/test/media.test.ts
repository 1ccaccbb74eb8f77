// Coming back after the server has lost a connection, with a peer connection that agrees to everything.

import assert from "node:assert/strict";
import test from "node:test";

import { RoompassError } from "../src/index.js";
import { Media } from "../src/media.js";
import { ManualEnvironment } from "./gateway.js";

class Tracks {
  #tracks: unknown[] = [];
  addTrack = (track: unknown): void => void this.#tracks.push(track);
  removeTrack = (track: unknown): void => void (this.#tracks = this.#tracks.filter((other) => other !== track));
  getTracks = (): unknown[] => this.#tracks;
}

class Connection {
  connectionState = "connected";
  localDescription = { sdp: "v=0" };
  /** The tracks that are sent. */
  static sent: unknown[] = [];
  addTransceiver = (of: unknown): unknown => {
    if (typeof of !== "string") Connection.sent.push(of);
    return { mid: "0", stop: () => {}, receiver: { track: {} } };
  };
  createOffer = (): Promise<unknown> => Promise.resolve({});
  setLocalDescription = (): Promise<void> => Promise.resolve();
  setRemoteDescription = (): Promise<void> => Promise.resolve();
  close = (): void => {};
}

/** Who plays one stream, by a server whose answers the test gives; what was asked of it and not answered yet. */
async function playing() {
  Object.assign(globalThis, { RTCPeerConnection: Connection, MediaStream: Tracks });
  const environment = new ManualEnvironment();
  const asked: { type: string; answer: (failed?: RoompassError) => void }[] = [];
  const send = ({ type }: { type: string }) =>
    new Promise<never>((resolve, reject) => {
      const answered = { type: type === "media_offer" ? "media_answer" : "media_servers", id: 1, ice_servers: [], sdp: "v=0" };
      asked.push({ type, answer: (failed) => (failed ? reject(failed) : resolve(answered as never)) });
    });
  const media = new Media({ environment, relayOnly: false }, send);
  const settled = () => new Promise(setImmediate);
  const answer = async (type: string, failed?: RoompassError) => {
    await settled();
    assert.deepEqual(asked.map((one) => one.type), [type]);
    asked.shift()!.answer(failed);
    await settled();
  };
  /** Nothing is asked any more, however long one waits. */
  const rests = async () => {
    environment.advance(60_000);
    await settled();
    assert.deepEqual(asked, []);
  };
  const played = media.play("s", ["audio"]);
  await answer("get_media_servers");
  await answer("media_offer");
  await played;
  return { media, environment, answer, rests };
}

const refused = (code: string, retryable: boolean) => RoompassError.refused({ code, message: code, number: 0, retryable });

test("of what a stream has, that is sent which is published", async () => {
  const [voice, face] = [{ kind: "audio" }, { kind: "video" }];
  for (const [kinds, sent] of [
    [["audio"], [voice]],
    [["video"], [face]],
    [["screen"], [face]],
    [["audio", "video"], [voice, face]],
    [["data"], []],
  ] as const) {
    const { media, answer } = await playing();
    Connection.sent = [];
    const stream = new MediaStream();
    for (const track of [voice, face]) stream.addTrack(track as MediaStreamTrack);
    const published = media.publish("mine", stream, kinds);
    await answer("media_offer");
    await published;
    assert.deepEqual(Connection.sent, sent, kinds.join());
    // Nor is anything else of it when the connection is made again.
    media.lost();
    await answer("get_media_servers");
    await answer("media_offer");
    assert.deepEqual(Connection.sent, [...sent, ...sent], kinds.join());
  }
});

test("a lost connection is made again until it is there", async () => {
  const { media, environment, answer, rests } = await playing();
  media.lost();
  await answer("get_media_servers", refused("unavailable", true));
  environment.advance(3_000);
  await answer("get_media_servers");
  await answer("media_offer", refused("unavailable", true));
  environment.advance(3_000);
  await answer("get_media_servers");
  await answer("media_offer");
  await rests();
});

test("a lost connection is not made again once the stay is over, or nothing is wanted, or the server refuses it for good", async () => {
  for (const give of ["end", "reset", "stop"] as const) {
    const { media, answer, rests } = await playing();
    media.lost();
    if (give === "stop") await media.stop("s");
    else media[give]();
    await answer("get_media_servers", refused("unavailable", true));
    await rests();
  }
  const { media, answer, rests } = await playing();
  media.lost();
  await answer("get_media_servers", refused("media_unavailable", false));
  await rests();
});
