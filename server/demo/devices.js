// Camera, microphone and screen: asked for, switched, sent, given back. Whoever has left while the browser asked gets
// nothing of what was granted then.

import { say } from "./log.js";
import * as tiles from "./tiles.js";
import { refused } from "./words.js";

/** What one joins with. */
export async function begin(call, wanted) {
  await ask(call, wanted);
  await publish(call);
  call.showControls();
}

/** Mutes, unmutes, or asks for the microphone first. */
export function microphone(call) {
  return toggle(call, "audio");
}

/** Covers the camera, uncovers it, or asks for it first. */
export function camera(call) {
  return toggle(call, "video");
}

/** Shares a screen, or stops to. */
export async function screen(call) {
  if (call.screen) {
    stopScreen(call);
    return;
  }
  const shared = await granted(call, "screen", "The screen is not shared", () => navigator.mediaDevices.getDisplayMedia({ video: true }));
  if (!shared) return;
  call.screen = shared;
  const stop = () => call.screen === shared && stopScreen(call);
  // The browser's own button.
  shared.getVideoTracks()[0].onended = stop;
  call.showControls();
  try {
    await call.client.startPublishingStream(call.streams.screen, { stream: shared, media: ["screen"] });
  } catch (error) {
    if (call.isOn) refused("Share the screen", error);
    stop();
    return;
  }
  if (!call.isOn || call.screen !== shared) return;
  tiles.show(call.streams.screen, { name: call.name, isMine: true, isScreen: true });
  tiles.attach(call.streams.screen, shared, { isMine: true });
}

/** Gives everything back. */
export function stopAll({ mine, screen }) {
  for (const stream of [mine, screen]) for (const track of stream?.getTracks() ?? []) track.stop();
}

async function toggle(call, kind) {
  const { client, mine, streams, userId } = call;
  const tracks = () => mine.getTracks().filter((track) => track.kind === kind);
  if (tracks().length > 0) {
    for (const track of tracks()) track.enabled = !track.enabled;
    tiles.attach(userId, mine, { isMine: true });
  } else {
    await ask(call, { [kind]: true });
    if (!call.isOn || tracks().length === 0) return;
    // A stream is published as it is: with another track it is another one.
    const wasPublished = client.publishing.includes(streams.camera);
    await client.stopPublishingStream(streams.camera).catch(() => {});
    if (!(await publish(call))) {
      for (const track of tracks()) drop(mine, track);
      if (call.isOn) tiles.attach(userId, mine, { isMine: true });
      // What was allowed before goes on.
      if (wasPublished) await publish(call);
    }
  }
  call.showControls();
}

/** Asks for devices; without them one is there all the same. */
async function ask(call, wanted) {
  if (!wanted.audio && !wanted.video) return;
  const what = wanted.audio ? "audio" : "video";
  const stream = await granted(call, what, "No camera or microphone", () => navigator.mediaDevices.getUserMedia(wanted));
  for (const track of stream?.getTracks() ?? []) {
    // Of one kind one is enough, whatever was pressed meanwhile.
    if (call.mine.getTracks().some(({ kind }) => kind === track.kind)) track.stop();
    else call.mine.addTrack(track);
  }
}

/** What the browser lets the call have; nothing if it does not, or if the call is over by then. */
async function granted(call, what, failure, request) {
  if (call.asking.has(what)) return undefined;
  call.asking.add(what);
  try {
    const stream = await request();
    if (call.isOn) return stream;
    for (const track of stream.getTracks()) track.stop();
  } catch (error) {
    if (call.isOn) say(`${failure}: ${error.message}`, "warned", error.name);
  } finally {
    call.asking.delete(what);
  }
  return undefined;
}

/** Sends what there is of camera and microphone. Whether that is so now. */
async function publish(call) {
  const { client, streams, mine, userId } = call;
  if (!call.isOn || mine.getTracks().length === 0) return false;
  tiles.attach(userId, mine, { isMine: true });
  try {
    await client.startPublishingStream(streams.camera, { stream: mine });
    return true;
  } catch (error) {
    if (call.isOn) refused("Publish", error);
    return false;
  }
}

function stopScreen(call) {
  const { client, screen, streams } = call;
  for (const track of screen.getTracks()) track.stop();
  call.screen = undefined;
  client.stopPublishingStream(streams.screen).catch(() => {});
  if (!call.isOn) return;
  tiles.remove(streams.screen);
  call.showControls();
}

function drop(stream, track) {
  track.stop();
  stream.removeTrack(track);
}
