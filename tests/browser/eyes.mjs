// What a page's own browser tells of its media.

/** How often a page looks at it, beside when it is asked. */
const LOOK_MS = 100;

/** From its next address on, the page keeps every connection it makes, and notes what each of its tracks has received. */
export function giveEyes(page) {
  return page.addInitScript(eyes, LOOK_MS);
}

/**
 * Everything that has come to this page up to now, one entry a track. `bytes` are those of sound and pictures, without
 * padding; `stillMs` is the longest time in which no picture was decoded, or no packet of sound came, and `freezeMs` the
 * longest freeze by the browser's own judgement.
 */
export function received(page) {
  return page.evaluate(() => window.roompassTest.received());
}

/** What this page sends: the kinds, how many packets up to now, and the longest time without a picture or a packet of sound. */
export function sent(page) {
  return page.evaluate(() => window.roompassTest.sent());
}

/** The ways that the page's connections take: the kind of their own address (`host`, `relay`, …) and the protocol. */
export function paths(page) {
  return page.evaluate(() => window.roompassTest.paths());
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
  let sent = { packets: 0, kinds: [], meters: {} };

  /** How long `count` has stood still, by the browser's own clock: a page that has no time to look has not seen a pause. */
  const meter = (before, count, at) => {
    if (!before || count === 0) return { count, since: at, longest: 0 };
    const since = count === before.count ? before.since : at;
    return { count, since, longest: Math.max(before.longest, count === before.count ? at - since : 0) };
  };
  const noteReceived = (stats) => {
    const { trackIdentifier, kind, packetsReceived: packets, bytesReceived: bytes, timestamp } = stats;
    const { framesDecoded: frames = 0, lastPacketReceivedTimestamp: lastPacketAt = 0, totalFreezesDuration: frozen = 0, frameWidth: width = 0 } = stats;
    const before = received.get(trackIdentifier);
    const still = meter(before?.still, kind === "audio" ? packets : frames, timestamp);
    const freezeMs = Math.max(before?.freezeMs ?? 0, 1000 * (frozen - (before?.frozen ?? frozen)));
    received.set(trackIdentifier, { kind, packets, bytes, frames, width, lastPacketAt, still, stillMs: still.longest, frozen, freezeMs });
  };
  const noteSent = (outbound) => {
    const meters = {};
    for (const kind of ["audio", "video"]) {
      const of = outbound.filter((stats) => stats.kind === kind);
      if (of.length === 0) continue;
      const count = of.reduce((sum, stats) => sum + (kind === "audio" ? stats.packetsSent : stats.framesEncoded), 0);
      meters[kind] = meter(sent.meters[kind], count, of[0].timestamp);
    }
    const packets = outbound.reduce((sum, stats) => sum + stats.packetsSent, 0);
    sent = { packets, kinds: [...new Set(outbound.map(({ kind }) => kind))].sort(), meters };
  };
  const look = async () => {
    const outbound = [];
    for (const connection of connections) {
      if (connection.connectionState === "closed") continue;
      for (const stats of (await connection.getStats()).values()) {
        if (stats.type === "outbound-rtp") outbound.push(stats);
        if (stats.type === "inbound-rtp") noteReceived(stats);
      }
    }
    noteSent(outbound);
  };
  // One look at a time: what is noted must not go back.
  let looking = Promise.resolve();
  const looked = () => (looking = looking.then(look));
  const goOn = () => looked().then(() => setTimeout(goOn, lookMs));
  goOn();

  window.roompassTest = {
    connections,
    sent: async () => {
      await looked();
      const { packets, kinds, meters } = sent;
      return { packets, kinds, stillMs: { audio: meters.audio?.longest ?? 0, video: meters.video?.longest ?? 0 } };
    },
    received: async () => {
      await looked();
      return [...received.entries()].map(([track, of]) => ({ track, ...of }));
    },
    paths: async () => {
      const found = [];
      for (const connection of connections) {
        const stats = await connection.getStats();
        for (const { type, selectedCandidatePairId } of stats.values()) {
          if (type !== "transport" || !selectedCandidatePairId) continue;
          const { candidateType, protocol } = stats.get(stats.get(selectedCandidatePairId).localCandidateId);
          found.push({ candidateType, protocol });
        }
      }
      return found;
    },
    /** The tracks shown on the tile of `name`. */
    tracksOf: (name) => {
      const tile = [...document.querySelectorAll("#tiles > li")].find((tile) => tile.querySelector(".name span").textContent === name);
      return tile?.querySelector("video")?.srcObject?.getTracks().map(({ id }) => id) ?? [];
    },
  };
}
