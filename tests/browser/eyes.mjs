// What a page's own browser tells of its media.

/** How often a page looks at it. */
const LOOK_MS = 100;

/** From its next address on, the page keeps every connection it makes, and notes what each of its tracks has received. */
export function giveEyes(page) {
  return page.addInitScript(eyes, LOOK_MS);
}

/** Everything that has come to this page, one entry a track. `bytes` are those of sound and pictures, without padding. */
export function received(page) {
  return page.evaluate(() => window.roompassTest.received());
}

/** Which kinds of addresses of its own the page's connections use: `host`, `relay`, …. */
export function paths(page) {
  return page.evaluate(() => window.roompassTest.paths());
}

/** How many packets this page has sent. */
export function sent(page) {
  return page.evaluate(() => window.roompassTest.sent());
}

function eyes(lookMs) {
  const connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };
  const received = new Map();
  let sent = 0;
  const look = async () => {
    let sentNow = 0;
    for (const connection of connections) {
      if (connection.connectionState === "closed") continue;
      for (const stats of (await connection.getStats()).values()) {
        if (stats.type === "outbound-rtp") sentNow += stats.packetsSent;
        if (stats.type !== "inbound-rtp") continue;
        const { trackIdentifier, kind, packetsReceived: packets, bytesReceived: bytes, framesDecoded: frames = 0, lastPacketReceivedTimestamp: lastPacketAt = 0 } = stats;
        const before = received.get(trackIdentifier) ?? { frames, still: 0, longestStill: 0 };
        // Counted in looks, not in time: a page that has no time to look has not seen a frozen picture.
        const still = frames === before.frames && frames > 0 ? before.still + 1 : 0;
        received.set(trackIdentifier, { kind, packets, bytes, frames, lastPacketAt, still, longestStill: Math.max(still, before.longestStill) });
      }
    }
    sent = sentNow;
    setTimeout(look, lookMs);
  };
  look();
  window.roompassTest = {
    connections,
    sent: () => sent,
    paths: async () => {
      const kinds = [];
      for (const connection of connections) {
        const stats = await connection.getStats();
        for (const { type, selectedCandidatePairId } of stats.values()) {
          if (type === "transport" && selectedCandidatePairId) kinds.push(stats.get(stats.get(selectedCandidatePairId).localCandidateId).candidateType);
        }
      }
      return kinds;
    },
    received: () => [...received.entries()].map(([track, of]) => ({ track, ...of })),
    /** The tracks shown on the tile of `name`. */
    tracksOf: (name) => {
      const tile = [...document.querySelectorAll("#tiles > li")].find((tile) => tile.querySelector(".name span").textContent === name);
      return tile?.querySelector("video")?.srcObject?.getTracks().map(({ id }) => id) ?? [];
    },
  };
}

