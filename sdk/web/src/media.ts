// Sound and pictures: one peer connection to the server for all streams of a stay, offered by the client and answered
// by the server whenever streams come or go. What may pass is the server's decision; nothing here enforces anything.

import type { Environment } from "./environment.js";
import { RoompassError } from "./errors.js";
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

export class Media {
  readonly #publishing = new Map<string, Publication>();
  readonly #playing = new Map<string, MediaStream>();
  #connection: RTCPeerConnection | undefined;
  #lines: Line[] = [];
  #iceServers: IceServer[] = [];
  /** Negotiations, one after another. */
  #turn: Promise<void> = Promise.resolve();
  #stopMending = (): void => {};

  constructor(
    private readonly environment: Environment,
    private readonly send: Send,
  ) {}

  /** Where relays are, as the server told at the login. */
  set iceServers(servers: IceServer[]) {
    this.#iceServers = servers;
  }

  /** Whether this browser, or whatever this is, can do it at all. */
  static get isPossible(): boolean {
    return typeof RTCPeerConnection !== "undefined";
  }

  /** Sends `stream` as `streamId`, whose publication the server has granted. */
  async publish(streamId: string, stream: MediaStream, kinds: readonly MediaKind[]): Promise<void> {
    this.#publishing.set(streamId, { stream, kinds });
    this.#addPublication(streamId, { stream, kinds });
    await this.#negotiate();
  }

  /** Receives `streamId`. Its tracks come into the stream returned as they arrive. */
  async play(streamId: string, kinds: readonly MediaKind[]): Promise<MediaStream> {
    const stream = this.#playing.get(streamId) ?? new MediaStream();
    this.#playing.set(streamId, stream);
    this.#addPlay(streamId, kinds, stream);
    await this.#negotiate();
    return stream;
  }

  /** The stream that is received as `streamId`. */
  played(streamId: string): MediaStream | undefined {
    return this.#playing.get(streamId);
  }

  /** Sends or receives it no longer. */
  async stop(streamId: string): Promise<void> {
    const lines = this.#lines.filter((line) => line.streamId === streamId);
    this.#publishing.delete(streamId);
    for (const track of this.#playing.get(streamId)?.getTracks() ?? []) this.#playing.get(streamId)?.removeTrack(track);
    this.#playing.delete(streamId);
    if (lines.length === 0) return;
    this.#lines = this.#lines.filter((line) => line.streamId !== streamId);
    for (const { transceiver } of lines) transceiver.stop();
    await this.#negotiate();
  }

  /** The stay goes on over another connection: the path may be another one too. */
  async resumed(): Promise<void> {
    if (!this.#connection) return;
    this.#connection.restartIce();
    await this.#negotiate();
  }

  /** The stay began anew: nothing of the old connection counts. What is wanted again is added by its owner. */
  reset(): void {
    this.#stopMending();
    this.#connection?.close();
    this.#connection = undefined;
    this.#lines = [];
    this.#publishing.clear();
    for (const stream of this.#playing.values()) {
      for (const track of stream.getTracks()) stream.removeTrack(track);
    }
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

  #addPublication(streamId: string, { stream, kinds }: Publication): void {
    const connection = this.#open();
    const picture = kinds.includes("screen") && !kinds.includes("video") ? "screen" : "video";
    for (const track of stream.getTracks()) {
      const kind = track.kind === "audio" ? "audio" : picture;
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

  #addPlay(streamId: string, kinds: readonly MediaKind[], stream: MediaStream): void {
    const connection = this.#open();
    const wanted = kinds.length > 0 ? kinds : (["audio", "video"] as const);
    const lines = new Set(wanted.filter((kind) => kind !== "data").map((kind) => (kind === "audio" ? "audio" : "video")));
    for (const kind of lines) {
      const transceiver = connection.addTransceiver(kind, { direction: "recvonly" });
      stream.addTrack(transceiver.receiver.track);
      this.#lines.push({ streamId, transceiver, kind, use: "play" });
    }
  }

  #open(): RTCPeerConnection {
    if (this.#connection) return this.#connection;
    if (!Media.isPossible) throw RoompassError.usage("media_unavailable", "this browser has no WebRTC");
    const iceServers = this.#iceServers.map(({ urls, username, credential }) => ({
      urls,
      ...(username === undefined ? {} : { username }),
      ...(credential === undefined ? {} : { credential }),
    }));
    const connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    connection.onconnectionstatechange = () => {
      this.#stopMending();
      const { connectionState } = connection;
      if (connectionState !== "disconnected" && connectionState !== "failed") return;
      const mend = (): void => {
        if (this.#connection !== connection || connection.connectionState === "connected") return;
        connection.restartIce();
        this.#negotiate().catch(() => {});
      };
      this.#stopMending = this.environment.after(connectionState === "failed" ? 0 : MEND_MS, mend);
    };
    this.#connection = connection;
    return connection;
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
    await connection.setLocalDescription(await connection.createOffer());
    const tracks: MediaTrack[] = this.#lines.flatMap(({ streamId, transceiver: { mid }, kind, use }) =>
      mid === null ? [] : [use === "publish" ? { mid, stream_id: streamId, use, kind } : { mid, stream_id: streamId, use }],
    );
    const answer = await this.send({ type: "media_offer", sdp: connection.localDescription?.sdp, tracks });
    if (this.#connection !== connection || answer.type !== "media_answer") return;
    await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  }
}
