// What the SDK tells of the room and of one's own streams, as it is shown.

import { say } from "./log.js";
import * as tiles from "./tiles.js";
import { refused, words } from "./words.js";

const STATES = {
  LOGINED: ["You are in the room.", "good"],
  RECONNECTING: ["The connection is lost; looking for the way back.", "warned"],
  RECONNECTED: ["You are back.", "good"],
};

/** What the expiry of a token means, by the rule that the server has told. */
const AT_EXPIRY = {
  keep: "The call goes on; new streams are refused until it is renewed.",
  stop_publish: "Your own streams end; renew it to start them again.",
  kick: "Who does not renew has to leave.",
};

/** Shows what happens in `call`, for as long as it is on. */
export function listen(call) {
  const { client, streams: own } = call;
  const running = new Set();
  /** On which tile a stream is, and whether it is a screen: of one that has gone, its id is all that is told. */
  const shown = new Map();
  const on = (event, then) => client.on(event, (told) => call.isOn && then(told));
  const isMine = (userId) => userId === call.userId;
  on("roomStateChanged", ({ reason, code, message }) => {
    if (STATES[reason]) say(...STATES[reason]);
    if (reason === "KICKOUT" || reason === "RECONNECT_FAILED") {
      const { text } = words({ code, message });
      call.end(`${text} ${code}`);
    }
  });
  on("roomUserUpdate", ({ updateType, users }) => {
    for (const { userId, userName } of users) {
      if (isMine(userId)) continue;
      if (updateType === "ADD") tiles.show(userId, { name: userName });
      else tiles.remove(userId);
      say(updateType === "ADD" ? `${userName} is here.` : `${userName} has left.`);
    }
  });
  on("roomStreamUpdate", ({ updateType, streams, reason }) => {
    for (const stream of streams) {
      if (isMine(stream.userId)) continue;
      if (updateType === "ADD") {
        const isScreen = stream.media.includes("screen");
        shown.set(stream.streamId, { key: isScreen ? stream.streamId : stream.userId, isScreen });
      }
      const { key, isScreen } = shown.get(stream.streamId) ?? { key: stream.userId };
      const name = client.users.find(({ userId }) => userId === stream.userId)?.userName ?? stream.userId;
      if (updateType === "ADD") {
        if (isScreen) tiles.show(key, { name, isScreen });
        play(call, stream.streamId, key);
      } else {
        shown.delete(stream.streamId);
        tiles.attach(key, null);
        if (isScreen) tiles.remove(key);
        client.stopPlayingStream(stream.streamId).catch(() => {});
        if (reason && reason !== "stopped") say(`${name} can no longer be seen or heard (${reason}).`, "warned");
      }
    }
  });
  on("publisherStateUpdate", ({ streamId, state, code }) => {
    if (state === "PUBLISHING" && Object.values(own).includes(streamId)) {
      running.add(streamId);
      say(streamId === own.screen ? "Your screen is shared." : "You can be seen and heard.", "good");
    }
    // One that never ran was refused to whoever asked for it, who says so.
    if (state === "NO_PUBLISH" && running.delete(streamId) && code !== "ok") refused("Your stream was stopped", { code });
    call.showControls();
  });
  on("playerStateUpdate", ({ state, code }) => {
    if (state === "NO_PLAY" && code !== "ok") refused("Playing", { code });
  });
  on("tokenRenewed", ({ notice }) => {
    say("The token was renewed.", "good");
    if (notice) say("What runs goes on, but the new token would not let you start it.", "warned", notice);
    call.showControls();
  });
  on("renewalFailed", ({ error }) => say(`The token was not renewed: ${error.message}.`, "warned", error.code));
  on("tokenExpired", () => {
    const rule = client.login?.rights.on_expiry ?? "keep";
    say(`The token has expired. ${AT_EXPIRY[rule] ?? ""}`, "warned", "token_expired");
  });
  on("privilegesChanged", ({ privileges }) => {
    say(`You may now: ${privileges.join(", ") || "nothing"}.`, "warned", "privileges_changed");
    call.showControls();
  });
  on("serverMessage", ({ text }) => say(`The operator says: ${text}`, "warned"));
}

async function play(call, streamId, key) {
  try {
    const stream = await call.client.startPlayingStream(streamId);
    if (stream && call.isOn) tiles.attach(key, stream);
  } catch (error) {
    if (call.isOn) refused("Playing", error);
  }
}
