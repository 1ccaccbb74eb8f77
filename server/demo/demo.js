// The call: joins, shows who is there, and lets one try what a token allows and what it does not.

import { mint, userIdFor } from "./backend.js";
import { begin, camera, microphone, screen, stopAll } from "./devices.js";
import { listen } from "./heard.js";
import { say } from "./log.js";
import { RoompassClient } from "./roompass.min.js";
import * as tiles from "./tiles.js";
import { startTokenView, stopTokenView } from "./token.js";
import { refused, words } from "./words.js";

const element = (id) => document.getElementById(id);

/** The call that is on, if one is. Whatever waits for something has to see afterwards whether its call still is. */
let call;

element("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const enter = element("enter");
  element("join-error").hidden = true;
  enter.disabled = true;
  const joining = newCall();
  call = joining;
  try {
    await join(joining);
  } catch (error) {
    // Who has left meanwhile has been told so.
    if (call === joining) {
      const { text, code } = words(error);
      await end(joining, `${text} ${code}`);
    }
  } finally {
    enter.disabled = false;
  }
});

function newCall() {
  const name = element("name").value.trim();
  const userId = userIdFor(name);
  return {
    userId,
    roomId: element("room").value.trim(),
    name,
    rights: element("rights").value,
    ttlSecs: Number(element("ttl").value),
    renews: element("auto").checked,
    /** What this person sends of camera and microphone, and of a screen. */
    mine: new MediaStream(),
    screen: undefined,
    streams: { camera: `${userId}-camera`, screen: `${userId}-screen` },
    /** The devices being asked for: asking twice would give two. */
    asking: new Set(),
    get isOn() {
      return call === this;
    },
    end(reason) {
      return end(this, reason);
    },
    showControls() {
      if (this.isOn) showControls(this);
    },
  };
}

async function join(mine) {
  const { userId, roomId, name } = mine;
  const wanted = { audio: element("with-mic").checked, video: element("with-camera").checked && mine.rights === "publish" };
  const { config } = await import("./config.js");
  const tokenProvider = async ({ cause }) => {
    if (cause === "renewal" && !mine.renews) return { denied: "renewal by itself is switched off" };
    return { token: await newToken(mine) };
  };
  mine.client = new RoompassClient({ appId: config.appId, server: location.origin, tokenProvider });
  listen(mine);
  element("join").hidden = true;
  element("call").hidden = false;
  showControls(mine);
  tiles.show(userId, { name, isMine: true });
  await mine.client.loginRoom(roomId, { userId, userName: name });
  if (!mine.isOn) return;
  element("where").textContent = `${name} in ${roomId}`;
  element("where").hidden = false;
  startTokenView(mine);
  // Not waited for: one is there while the browser asks, and may leave.
  if (mine.rights !== "listen") void begin(mine, wanted);
}

function newToken({ userId, roomId, rights, ttlSecs, streams }, more = {}) {
  return mint({ userId, roomId, rights, ttlSecs, streamIds: [streams.camera, streams.screen], ...more });
}

// What one may press.

element("mic").addEventListener("click", () => microphone(call));
element("camera").addEventListener("click", () => camera(call));
element("screen").addEventListener("click", () => screen(call));
element("leave").addEventListener("click", () => end(call, "You have left."));

attempts("renew", "Renew", async (mine) => mine.client.renewToken(await newToken(mine)));
attempts("listen-only", "Renew without the right to publish", async (mine) =>
  mine.client.renewToken(await newToken(mine, { rights: "listen" })),
);
attempts("auto-toggle", "Renew", async (mine) => {
  mine.renews = !mine.renews;
  mine.showControls();
  say(mine.renews ? "From now on the SDK renews by itself." : "Nothing is renewed any more: watch the token expire.", "warned");
  if (mine.renews) await mine.client.renewToken(await newToken(mine));
});
attempts("try-stream", "Publish a stream it does not list", async (mine) => {
  await mine.client.startPublishingStream("not-in-my-token");
  say("It was allowed?!", "warned");
  await mine.client.stopPublishingStream("not-in-my-token");
});
attempts("try-room", "Use it for another room", async (mine) => {
  // Another client, so that the refusal does not end this call.
  const { config } = await import("./config.js");
  const other = new RoompassClient({ appId: config.appId, server: location.origin });
  await other.loginRoom(`${mine.roomId}-other`, { userId: mine.userId }, { token: await newToken(mine) });
  say("It was allowed?!", "warned");
  await other.logoutRoom();
});

/** The button `id` tries `action`; a refusal of `what` is told, unless the call is over. */
function attempts(id, what, action) {
  element(id).addEventListener("click", async () => {
    const mine = call;
    try {
      await action(mine);
    } catch (error) {
      if (mine.isOn) refused(what, error);
    }
  });
}

function showControls({ mine, screen, renews, userId }) {
  const has = (kind) => mine.getTracks().some((track) => track.kind === kind && track.enabled);
  press("mic", has("audio"));
  press("camera", has("video"));
  press("screen", screen !== undefined);
  press("auto-toggle", renews);
  element("auto-toggle").textContent = renews ? "Renews by itself" : "Does not renew";
  tiles.mark(userId, mine.getAudioTracks().length > 0 && !has("audio") ? "muted" : "");
}

function press(id, pressed) {
  element(id).setAttribute("aria-pressed", String(pressed));
}

/** Ends the call and shows the form again, with the reason. */
async function end(ended, reason) {
  if (!ended || call !== ended) return;
  call = undefined;
  stopTokenView();
  stopAll(ended);
  tiles.clear();
  element("call").hidden = true;
  element("join").hidden = false;
  element("where").hidden = true;
  element("join-error").textContent = reason;
  element("join-error").hidden = false;
  element("name").focus();
  await ended.client?.logoutRoom();
}
