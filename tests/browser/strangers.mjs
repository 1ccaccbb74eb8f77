// Those who do not use the demo page: one that publishes whatever the server says, and others that use the SDK alone.

import { giveEyes } from "./eyes.mjs";
import { newPage } from "./launch.mjs";

/** `answer` makes something else of the server's answers to the page's offers. */
async function pageOf(browser, url, { answer } = {}) {
  const page = await newPage(browser);
  await giveEyes(page);
  if (answer) {
    await page.routeWebSocket(/\/v1\/gateway/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => {
        const told = JSON.parse(message);
        socket.send(told.type === "media_answer" ? JSON.stringify({ ...told, sdp: answer(told.sdp) }) : message);
      });
    });
  }
  await page.goto(`${url}/demo`);
  return page;
}

/**
 * Logs in, asks to publish `streamIds`, is refused, and offers to send them all the same: with the camera and the
 * microphone, without the SDK. Gives the page, and the codes of the refusals.
 */
export async function intruder(browser, { url, gateway_url, app_id }, { userId, roomId, token, streamIds }) {
  const page = await pageOf(browser, url);
  const codes = await page.evaluate(
    async ({ gatewayUrl, login, streamIds }) => {
      const socket = new WebSocket(gatewayUrl, "roompass.v1");
      const waiting = new Map();
      const asked = (id) => new Promise((resolve) => waiting.set(id, resolve));
      const hello = asked("hello");
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        waiting.get(message.id ?? message.type)?.(message);
      };
      let id = 0;
      const ask = (message) => {
        const answer = asked(++id);
        socket.send(JSON.stringify({ ...message, id }));
        return answer;
      };
      await hello;
      await ask({ type: "login", ...login });
      const refusals = [];
      for (const stream_id of streamIds) refusals.push((await ask({ type: "publish", stream_id })).code);

      const peer = new RTCPeerConnection();
      const tracks = [];
      for (const streamId of streamIds) {
        const camera = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 160, height: 120 } });
        for (const track of camera.getTracks()) {
          tracks.push({ transceiver: peer.addTransceiver(track, { direction: "sendonly" }), stream_id: streamId, publish: track.kind });
        }
      }
      await peer.setLocalDescription(await peer.createOffer());
      const lines = tracks.map(({ transceiver, ...of }) => ({ mid: transceiver.mid, ...of }));
      const answer = await ask({ type: "media_offer", sdp: peer.localDescription.sdp, tracks: lines });
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      return refusals;
    },
    { gatewayUrl: gateway_url, login: { app_id, user_id: userId, room_id: roomId, token }, streamIds },
  );
  return { page, codes };
}

/** Logs in with the SDK, whose options `more` are. The page has the client as `client`. */
async function loggedIn(browser, { url, app_id }, { userId, roomId, token, more = {}, answer }) {
  const page = await pageOf(browser, url, { answer });
  await page.evaluate(
    async ({ url, app_id, userId, roomId, token, more }) => {
      const { RoompassClient } = await import("/demo/roompass.min.js");
      window.client = new RoompassClient({ appId: app_id, server: url, ...more });
      await window.client.loginRoom(roomId, { userId }, { token });
    },
    { url, app_id, userId, roomId, token, more },
  );
  return page;
}

/** Plays `streamIds`, whether they exist or not. */
export async function listener(browser, server, { streamIds, ...who }) {
  const page = await loggedIn(browser, server, who);
  await page.evaluate((streamIds) => Promise.all(streamIds.map((streamId) => window.client.startPlayingStream(streamId))), streamIds);
  return page;
}

/** Publishes a picture, a small one unless `size` says otherwise, and sound; as `media` if that is given. */
export async function speaker(browser, server, { streamId, media, size = { width: 320, height: 240 }, ...who }) {
  const page = await loggedIn(browser, server, who);
  await page.evaluate(
    async ({ streamId, media, size }) => {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: size });
      await window.client.startPublishingStream(streamId, { stream, ...(media ? { media } : {}) });
    },
    { streamId, media, size },
  );
  return page;
}
