// Sound and pictures: one peer connection to the server for all streams of a stay, offered by the client and answered
// by the server whenever streams come or go. What may pass is the server's decision; nothing here enforces anything.

import { RoompassError } from "./errors.js";
import type { Options } from "./options.js";
import type { Answer, IceServer, MediaKind, MediaTrack } from "./wire.js";

/** What goes through, or is about to. */
interface Line {
  readonly streamId: string;
  readonly transceiver: RTCRtpTransceiver;
  readonly kind: MediaKind;
  readonly use: "publish" | "play";
}

type Send = (message: { type: string } & Record<string, unknown>) => Promise<Answer>;

/** How long a broken path may take to mend itself before another is looked for. */
const MEND_MS = 3_000;

/** A stream of one's own, as it is sent. */
interface Publication {
  readonly stream: MediaStream;
  readonly kinds: readonly MediaKind[];
}

/** A stream that is received. */
interface Playing {
  /** What the app shows; its tracks change, it stays. */
  readonly stream: MediaStream;
  readonly kinds: readonly MediaKind[];
}

export class Media {
  readonly #publishing = new Map<string, Publication>();
  readonly #playing = new Map<string, Playing>();
  #connection: RTCPeerConnection | undefined;
  #opening: Promise<RTCPeerConnection> | undefined;
  #lines: Line[] = [];
  /** Negotiations, one after another. */
  #turn: Promise<void> = Promise.resolve();
  #stopMending = (): void => {};
  /** Counts the times that all before was given up. */
  #life = 0;

  constructor(
    private readonly options: Pick<Options, "environment" | "relayOnly">,
    private readonly send: Send,
  ) {}

  /** Whether this browser, or whatever this is, can do it at all. */
  static get isPossible(): boolean {
    return typeof RTCPeerConnection !== "undefined";
  }

  /** Sends `stream` as `streamId`, whose publication the server has granted. */
  async publish(streamId: string, stream: MediaStream, kinds: readonly MediaKind[]): Promise<void> {
    const publication = { stream, kinds };
    this.#publishing.set(streamId, publication);
    const connection = await this.#open();
    // Meanwhile it may not be wanted any more.
    if (this.#publishing.get(streamId) !== publication) return;
    this.#addPublication(connection, streamId, publication);
    await this.#negotiate();
  }

  /** Receives `streamId`. Its tracks come into the stream returned as they arrive. */
  async play(streamId: string, kinds: readonly MediaKind[]): Promise<MediaStream> {
    const playing = { stream: this.#playing.get(streamId)?.stream ?? new MediaStream(), kinds };
    this.#playing.set(streamId, playing);
    const connection = await this.#open();
    if (this.#playing.get(streamId) === playing) {
      this.#addPlay(connection, streamId, playing);
      await this.#negotiate();
    }
    return playing.stream;
  }

  /** The stream that is received as `streamId`. */
  played(streamId: string): MediaStream | undefined {
    return this.#playing.get(streamId)?.stream;
  }

  /** Sends or receives it no longer. */
  async stop(streamId: string): Promise<void> {
    const lines = this.#lines.filter((line) => line.streamId === streamId);
    this.#publishing.delete(streamId);
    const played = this.#playing.get(streamId);
    if (played) empty(played.stream);
    this.#playing.delete(streamId);
    if (lines.length === 0) return;
    this.#lines = this.#lines.filter((line) => line.streamId !== streamId);
    for (const { transceiver } of lines) transceiver.stop();
    await this.#negotiate();
  }

  /** The stay goes on over another connection to the server. If packets still flow, so do they. */
  async resumed(): Promise<void> {
    if (this.#connection && this.#connection.connectionState !== "connected") await this.#rebuild();
  }

  /** The server has lost the connection, or never knew it. */
  lost(): void {
    if (this.#connection) this.#rebuildAgain();
  }

  /** The stay began anew: nothing of the old connection counts. What is wanted again is added by its owner. */
  reset(): void {
    this.#life++;
    this.#stopMending();
    this.#connection?.close();
    this.#connection = this.#opening = undefined;
    this.#lines = [];
    this.#publishing.clear();
    for (const { stream } of this.#playing.values()) empty(stream);
  }

  /** The stay is over. */
  end(): void {
    this.reset();
    this.#playing.clear();
  }

  /** What the browser measures. */
  stats(): Promise<RTCStatsReport> | undefined {
    return this.#connection?.getStats();
  }

  #addPublication(connection: RTCPeerConnection, streamId: string, { stream, kinds }: Publication): void {
    const picture = kinds.includes("screen") && !kinds.includes("video") ? "screen" : "video";
    for (const track of stream.getTracks()) {
      const kind = track.kind === "audio" ? "audio" : picture;
      // What was not published does not leave the browser, although the server would let nothing of it through.
      if (!kinds.includes(kind)) continue;
      const layers: RTCRtpEncodingParameters[] = [
        { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
        { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
        { rid: "f", maxBitrate: 1_800_000 },
      ];
      // A screen is worth its sharpness; a camera is sent in three sizes, so that each receiver gets what it can take.
      const sendEncodings = kind === "video" ? layers : kind === "screen" ? [{ maxBitrate: 2_500_000 }] : [{ maxBitrate: 64_000 }];
      const transceiver = connection.addTransceiver(track, { direction: "sendonly", streams: [stream], sendEncodings });
      this.#lines.push({ streamId, transceiver, kind, use: "publish" });
    }
  }

  #addPlay(connection: RTCPeerConnection, streamId: string, { stream, kinds }: Playing): void {
    const wanted = kinds.length > 0 ? kinds : (["audio", "video"] as const);
    const lines = new Set(wanted.filter((kind) => kind !== "data").map((kind) => (kind === "audio" ? "audio" : "video")));
    for (const kind of lines) {
      const transceiver = connection.addTransceiver(kind, { direction: "recvonly" });
      stream.addTrack(transceiver.receiver.track);
      this.#lines.push({ streamId, transceiver, kind, use: "play" });
    }
  }

  #open(): Promise<RTCPeerConnection> {
    if (!Media.isPossible) return Promise.reject(RoompassError.usage("media_unavailable", "this browser has no WebRTC"));
    if (this.#opening) return this.#opening;
    const opening: Promise<RTCPeerConnection> = this.#connect().then(
      (connection) => {
        if (this.#opening === opening) this.#connection = connection;
        else connection.close();
        return connection;
      },
      (error: unknown) => {
        if (this.#opening === opening) this.#opening = undefined;
        throw error;
      },
    );
    return (this.#opening = opening);
  }

  async #connect(): Promise<RTCPeerConnection> {
    const answer = await this.send({ type: "get_media_servers" });
    const iceServers: IceServer[] = answer.type === "media_servers" ? answer.ice_servers : [];
    const iceTransportPolicy = this.options.relayOnly ? "relay" : "all";
    const connection = new RTCPeerConnection({ iceServers, iceTransportPolicy, bundlePolicy: "max-bundle" });
    // All lines share the path of the first, and browsers give the path up with it: so the first is one that never ends.
    connection.addTransceiver("audio", { direction: "inactive" });
    connection.onconnectionstatechange = () => {
      this.#stopMending();
      const { connectionState } = connection;
      if (connectionState === "disconnected" || connectionState === "failed") this.#mend(connection, connectionState === "failed" ? 0 : MEND_MS);
    };
    return connection;
  }

  /** Looks for another path after `wait`; for another connection, if that does not help. */
  #mend(connection: RTCPeerConnection, wait: number): void {
    const isBroken = (): boolean => this.#connection === connection && connection.connectionState !== "connected";
    this.#stopMending = this.options.environment.after(wait, () => {
      if (!isBroken()) return;
      connection.restartIce();
      this.#negotiate().catch(() => {});
      this.#stopMending = this.options.environment.after(2 * MEND_MS, () => {
        if (isBroken()) this.#rebuild().catch(() => {});
      });
    });
  }

  /** Another connection in the place of this one, with all that goes through it. */
  async #rebuild(): Promise<void> {
    const publications = [...this.#publishing];
    this.reset();
    for (const [streamId, publication] of publications) this.#publishing.set(streamId, publication);
    const connection = await this.#open();
    // Meanwhile the stay may have begun anew, with a connection of its own.
    if (this.#connection !== connection) return;
    for (const [streamId, publication] of this.#publishing) this.#addPublication(connection, streamId, publication);
    for (const [streamId, playing] of this.#playing) this.#addPlay(connection, streamId, playing);
    await this.#negotiate();
  }

  /** The same, again and again until it is there, not wanted any more or refused for good. */
  #rebuildAgain(): void {
    const rebuilt = this.#rebuild();
    const life = this.#life;
    rebuilt.catch((error: unknown) => {
      const isWanted = this.#life === life && this.#publishing.size + this.#playing.size > 0;
      // What the browser says may be of the moment; the server and this SDK know better.
      const isHopeless = error instanceof RoompassError && !error.retryable;
      if (!isWanted || isHopeless) return;
      this.#stopMending = this.options.environment.after(MEND_MS, () => this.#rebuildAgain());
    });
  }

  /** Tells the server what is sent and received now, and does what it answers. */
  #negotiate(): Promise<void> {
    const turn = this.#turn.then(() => this.#negotiateNow());
    // One that fails must not hold up the next.
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #negotiateNow(): Promise<void> {
    const connection = this.#connection;
    if (!connection) return;
    if (this.#lines.length === 0) {
      // Nothing is left to agree on.
      this.#stopMending();
      connection.close();
      this.#connection = this.#opening = undefined;
      return;
    }
    await connection.setLocalDescription(await connection.createOffer());
    const tracks: MediaTrack[] = this.#lines.flatMap(({ streamId, transceiver: { mid }, kind, use }) =>
      mid === null ? [] : [{ mid, stream_id: streamId, ...(use === "publish" ? { publish: kind } : {}) }],
    );
    const answer = await this.send({ type: "media_offer", sdp: connection.localDescription?.sdp, tracks });
    if (this.#connection !== connection || answer.type !== "media_answer") return;
    await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  }
}

function empty(stream: MediaStream): void {
  for (const track of stream.getTracks()) stream.removeTrack(track);
}
