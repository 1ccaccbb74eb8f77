// The call: joins, shows who is there, and lets one try what a token allows and what it does not.

import { mint, userIdFor } from "./backend.js";
import { say } from "./log.js";
import { RoompassClient } from "./roompass.min.js";
import * as tiles from "./tiles.js";
import { startTokenView, stopTokenView } from "./token.js";
import { words } from "./words.js";

const element = (id) => document.getElementById(id);

/** The call that is on, if one is. */
let call;

element("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const enter = element("enter");
  element("join-error").hidden = true;
  enter.disabled = true;
  try {
    await join();
  } catch (error) {
    await end();
    const { text, code } = words(error);
    element("join-error").textContent = `${text} ${code}`;
    element("join-error").hidden = false;
  } finally {
    enter.disabled = false;
  }
});

async function join() {
  const name = element("name").value.trim();
  const roomId = element("room").value.trim();
  const userId = userIdFor(name);
  call = {
    userId,
    roomId,
    name,
    rights: element("rights").value,
    ttlSecs: Number(element("ttl").value),
    renews: element("auto").checked,
    mine: new MediaStream(),
    screen: undefined,
    streams: { camera: `${userId}-camera`, screen: `${userId}-screen` },
  };
  const { config } = await import("./config.js");
  call.client = new RoompassClient({ appId: config.appId, server: location.origin, tokenProvider: provide });
  listen(call.client);
  element("join").hidden = true;
  element("call").hidden = false;
  tiles.show(userId, { name, isMine: true });
  await call.client.loginRoom(roomId, { userId, userName: name });
  element("where").textContent = `${name} in ${roomId}`;
  element("where").hidden = false;
  startTokenView(call);
  if (call.rights !== "listen") {
    const wantsPicture = element("with-camera").checked && call.rights === "publish";
    await devices({ audio: element("with-mic").checked, video: wantsPicture });
    await publishCamera();
  }
  showControls();
}

/** The SDK's question for a token. */
async function provide({ cause }) {
  if (cause === "renewal" && !call.renews) return { denied: "renewal by itself is switched off" };
  return { token: await newToken() };
}

function newToken(more = {}) {
  const { userId, roomId, rights, ttlSecs, streams } = call;
  return mint({ userId, roomId, rights, ttlSecs, streamIds: [streams.camera, streams.screen], ...more });
}

/** Asks for devices; without them one is there all the same. */
async function devices(wanted) {
  if (!wanted.audio && !wanted.video) return;
  try {
    const stream = await navigator.mediaDevices.getUserMedia(wanted);
    for (const track of stream.getTracks()) call.mine.addTrack(track);
  } catch (error) {
    say(`No camera or microphone: ${error.message}`, "warned", error.name);
  }
}

async function publishCamera() {
  const { client, streams, mine, userId } = call;
  if (mine.getTracks().length === 0) return;
  tiles.attach(userId, mine, { isMine: true });
  try {
    await client.startPublishingStream(streams.camera, { stream: mine });
  } catch (error) {
    refused("Publish", error);
  }
}

function refused(what, error) {
  const { text, code } = words(error);
  say(`${what}: refused. ${text}`, "refused", code);
}

const STATES = {
  LOGINED: ["You are in the room.", "good"],
  RECONNECTING: ["The connection is lost; looking for the way back.", "warned"],
  RECONNECTED: ["You are back.", "good"],
};

function listen(client) {
  const isMine = (userId) => userId === call?.userId;
  client.on("roomStateChanged", ({ reason, code, message }) => {
    if (STATES[reason]) say(...STATES[reason]);
    if (reason === "KICKOUT" || reason === "RECONNECT_FAILED") {
      const { text } = words({ code, message });
      end(`${text} ${code}`);
    }
  });
  client.on("roomUserUpdate", ({ updateType, users }) => {
    for (const { userId, userName } of users) {
      if (isMine(userId)) continue;
      if (updateType === "ADD") tiles.show(userId, { name: userName });
      else tiles.remove(userId);
      say(updateType === "ADD" ? `${userName} is here.` : `${userName} has left.`);
    }
  });
  client.on("roomStreamUpdate", ({ updateType, streams, reason }) => {
    for (const stream of streams) {
      if (isMine(stream.userId)) continue;
      const isScreen = stream.media.includes("screen");
      const key = isScreen ? stream.streamId : stream.userId;
      const name = client.users.find(({ userId }) => userId === stream.userId)?.userName ?? stream.userId;
      if (updateType === "ADD") {
        if (isScreen) tiles.show(key, { name, isScreen });
        play(stream.streamId, key);
      } else {
        tiles.attach(key, null);
        if (isScreen) tiles.remove(key);
        client.stopPlayingStream(stream.streamId).catch(() => {});
        if (reason && reason !== "stopped") say(`${name} can no longer be seen or heard (${reason}).`, "warned");
      }
    }
  });
  client.on("publisherStateUpdate", ({ streamId, state, code }) => {
    if (state === "PUBLISHING") say(streamId === call?.streams.screen ? "Your screen is shared." : "You can be seen and heard.", "good");
    if (state === "NO_PUBLISH" && code !== "ok" && streamId in published()) refused("Your stream was stopped", { code });
    showControls();
  });
  client.on("playerStateUpdate", ({ state, code }) => {
    if (state === "NO_PLAY" && code !== "ok") refused("Playing", { code });
  });
  client.on("tokenRenewed", ({ notice }) => {
    say("The token was renewed.", "good");
    if (notice) say("What runs goes on, but the new token would not let you start it.", "warned", notice);
    showControls();
  });
  client.on("renewalFailed", ({ error }) => say(`The token was not renewed: ${error.message}.`, "warned", error.code));
  client.on("tokenExpired", () => say("The token has expired. The call goes on; new streams are refused until it is renewed.", "warned", "token_expired"));
  client.on("privilegesChanged", ({ privileges }) => {
    say(`You may now: ${privileges.join(", ") || "nothing"}.`, "warned", "privileges_changed");
    showControls();
  });
  client.on("serverMessage", ({ text }) => say(`The operator says: ${text}`, "warned"));
}

function published() {
  const { streams } = call ?? { streams: {} };
  return { [streams.camera]: true, [streams.screen]: true };
}

async function play(streamId, key) {
  try {
    const stream = await call.client.startPlayingStream(streamId);
    if (stream) tiles.attach(key, stream);
  } catch (error) {
    refused("Playing", error);
  }
}

// What one may press.

element("mic").addEventListener("click", () => toggle("audio"));
element("camera").addEventListener("click", () => toggle("video"));

/** Mutes, unmutes, or asks for the device first. */
async function toggle(kind) {
  const tracks = () => call.mine.getTracks().filter((track) => track.kind === kind);
  if (tracks().length > 0) {
    for (const track of tracks()) track.enabled = !track.enabled;
    tiles.attach(call.userId, call.mine, { isMine: true });
  } else {
    await devices({ [kind]: true });
    if (tracks().length > 0) {
      // A stream is published as it is: with another track it is another one.
      await call.client.stopPublishingStream(call.streams.camera).catch(() => {});
      await publishCamera();
    }
  }
  showControls();
}

element("screen").addEventListener("click", async () => {
  if (call.screen) {
    stopScreen();
    return;
  }
  try {
    call.screen = await navigator.mediaDevices.getDisplayMedia({ video: true });
  } catch (error) {
    say(`The screen is not shared: ${error.message}`, "warned", error.name);
    return;
  }
  call.screen.getVideoTracks()[0].onended = stopScreen;
  try {
    await call.client.startPublishingStream(call.streams.screen, { stream: call.screen, media: ["screen"] });
    tiles.show(call.streams.screen, { name: call.name, isMine: true, isScreen: true });
    tiles.attach(call.streams.screen, call.screen, { isMine: true });
  } catch (error) {
    refused("Share the screen", error);
    stopScreen();
  }
  showControls();
});

function stopScreen() {
  if (!call?.screen) return;
  for (const track of call.screen.getTracks()) track.stop();
  call.screen = undefined;
  tiles.remove(call.streams.screen);
  call.client.stopPublishingStream(call.streams.screen).catch(() => {});
  showControls();
}

element("renew").addEventListener("click", () => attempt("Renew", async () => call.client.renewToken(await newToken())));
element("listen-only").addEventListener("click", () =>
  attempt("Renew without the right to publish", async () => call.client.renewToken(await newToken({ rights: "listen" }))),
);
element("auto-toggle").addEventListener("click", () => {
  call.renews = !call.renews;
  say(call.renews ? "From the next renewal on, the SDK renews by itself." : "Nothing is renewed any more: watch the token expire.", "warned");
  if (call.renews) attempt("Renew", async () => call.client.renewToken(await newToken()));
  showControls();
});
element("try-stream").addEventListener("click", () =>
  attempt("Publish a stream it does not list", async () => {
    await call.client.startPublishingStream("not-in-my-token");
    say("It was allowed?!", "warned");
    await call.client.stopPublishingStream("not-in-my-token");
  }),
);
element("try-room").addEventListener("click", () =>
  attempt("Use it for another room", async () => {
    // Another client, so that the refusal does not end this call.
    const { config } = await import("./config.js");
    const other = new RoompassClient({ appId: config.appId, server: location.origin });
    await other.loginRoom(`${call.roomId}-other`, { userId: call.userId }, { token: await newToken() });
    say("It was allowed?!", "warned");
    await other.logoutRoom();
  }),
);
element("leave").addEventListener("click", () => end("You have left."));

async function attempt(what, action) {
  try {
    await action();
  } catch (error) {
    refused(what, error);
  }
}

function showControls() {
  if (!call) return;
  const has = (kind) => call.mine.getTracks().some((track) => track.kind === kind && track.enabled);
  press("mic", has("audio"));
  press("camera", has("video"));
  press("screen", call.screen !== undefined);
  press("auto-toggle", call.renews);
  element("auto-toggle").textContent = call.renews ? "Renews by itself" : "Does not renew";
  tiles.mark(call.userId, call.mine.getAudioTracks().length > 0 && !has("audio") ? "muted" : "");
}

function press(id, pressed) {
  element(id).setAttribute("aria-pressed", String(pressed));
}

/** Ends the call and shows the form again, with the reason. */
async function end(reason) {
  const ended = call;
  if (!ended) return;
  call = undefined;
  stopTokenView();
  for (const stream of [ended.mine, ended.screen]) for (const track of stream?.getTracks() ?? []) track.stop();
  tiles.clear();
  element("call").hidden = true;
  element("join").hidden = false;
  element("where").hidden = true;
  if (reason) {
    element("join-error").textContent = reason;
    element("join-error").hidden = false;
  }
  element("name").focus();
  await ended.client?.logoutRoom();
}
