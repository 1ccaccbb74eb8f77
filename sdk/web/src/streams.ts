// This user's own streams and the ones that are played: what was asked for, what runs, what has to be started again.

import type { Emitter } from "./emitter.js";
import { RoompassError } from "./errors.js";
import type { PlayerState, PublisherState, RoompassEvents } from "./events.js";
import { Media } from "./media.js";
import type { Roster } from "./roster.js";
import type { Answer, MediaKind } from "./wire.js";

/** What a stream is published with. */
export interface PublishOptions {
  /** What is sent: of a camera, a microphone, a screen. Without it the stream is only announced. */
  stream?: MediaStream;
  /**
   * What it carries; unless said, what `stream` has tracks of, pictures being `video`. For a screen say `screen`. Tracks of
   * other kinds are not sent.
   */
  media?: MediaKind[];
  /** For the others, at most 1,024 bytes. */
  extra?: string;
}

type Send = (message: { type: string } & Record<string, unknown>) => Promise<Answer>;

export class Streams {
  readonly #publishing = new Map<string, { options: PublishOptions; state: PublisherState }>();
  readonly #playing = new Map<string, PlayerState>();

  constructor(
    private readonly events: Emitter<RoompassEvents>,
    private readonly send: Send,
    private readonly roster: () => Roster,
    readonly media: Media,
  ) {}

  /** The streams of this user that run, or are about to. */
  get publishing(): string[] {
    return [...this.#publishing.keys()];
  }

  /** The streams that are played, or waited for. */
  get playing(): string[] {
    return [...this.#playing.keys()];
  }

  async publish(streamId: string, options: PublishOptions = {}): Promise<void> {
    if (this.#publishing.has(streamId)) {
      throw RoompassError.usage("already_publishing", "this stream is being published already: stop it first", 1003023);
    }
    this.#publishing.set(streamId, { options, state: "NO_PUBLISH" });
    try {
      await this.#startPublishing(streamId, options);
    } catch (error) {
      this.#publishEnded(streamId, asRefusal(error));
      throw error;
    }
  }

  async stopPublishing(streamId: string): Promise<void> {
    if (!this.#publishing.has(streamId)) throw RoompassError.usage("not_publishing", "this stream is not being published", 1000015);
    // Not wanted any more, whatever the server says: a return must not start it again.
    this.#publishing.delete(streamId);
    this.#stopMedia(streamId);
    await this.send({ type: "stop_publish", stream_id: streamId });
    this.#tellPublisher(streamId, "NO_PUBLISH");
  }

  /** What is received, where this is a browser. */
  async play(streamId: string): Promise<MediaStream | undefined> {
    if (this.#playing.has(streamId)) return this.media.played(streamId);
    this.#playing.set(streamId, "NO_PLAY");
    try {
      return await this.#startPlaying(streamId);
    } catch (error) {
      this.#playEnded(streamId, asRefusal(error));
      throw error;
    }
  }

  async stopPlaying(streamId: string): Promise<void> {
    if (!this.#playing.delete(streamId)) throw RoompassError.usage("not_playing", "this stream is not being played", 1004011);
    this.#stopMedia(streamId);
    await this.send({ type: "stop_play", stream_id: streamId });
    this.#tellPlayer(streamId, "NO_PLAY");
  }

  /** After a return to the same place: what the server kept runs, the rest is started again. */
  resumed(publishing: string[], playing: string[]): void {
    this.media.resumed().catch(() => {});
    for (const [streamId, { options }] of this.#publishing) {
      if (publishing.includes(streamId)) this.#setPublisher(streamId, "PUBLISHING");
      else this.#republish(streamId, options);
    }
    for (const streamId of this.#playing.keys()) {
      if (!playing.includes(streamId)) this.#replay(streamId);
    }
    // What was stopped while nobody was connected.
    for (const streamId of publishing) {
      if (!this.#publishing.has(streamId)) this.send({ type: "stop_publish", stream_id: streamId }).catch(() => {});
    }
    for (const streamId of playing) {
      if (!this.#playing.has(streamId)) this.send({ type: "stop_play", stream_id: streamId }).catch(() => {});
    }
  }

  /** After coming in anew: everything is started again. */
  startAgain(): void {
    this.media.reset();
    for (const [streamId, { options }] of this.#publishing) this.#republish(streamId, options);
    for (const streamId of this.#playing.keys()) this.#replay(streamId);
  }

  /** Streams that are waited for may be there now; others may have gone. */
  roomChanged(): void {
    for (const [streamId, state] of this.#playing) {
      if (state === "NO_PLAY") continue;
      this.#setPlayer(streamId, this.#isHere(streamId) ? "PLAYING" : "PLAY_REQUESTING");
    }
  }

  publishStopped(streamId: string, code: string, number: number): void {
    this.#publishEnded(streamId, { code, number });
  }

  playStopped(streamId: string, code: string, number: number): void {
    this.#playEnded(streamId, { code, number });
  }

  /** The room was left by a switch: nothing of it is wanted any more. */
  forget(): void {
    this.media.end();
    for (const streamId of this.publishing) this.#publishEnded(streamId, { code: "ok", number: 0 });
    for (const streamId of this.playing) this.#playEnded(streamId, { code: "ok", number: 0 });
  }

  /** The stay is over. */
  end(error: RoompassError): void {
    const why = error.kind === "ended" ? { code: "ok", number: 0 } : error;
    this.media.end();
    for (const streamId of this.publishing) this.#publishEnded(streamId, why);
    for (const streamId of this.playing) this.#playEnded(streamId, why);
  }

  async #startPublishing(streamId: string, { stream, media, extra }: PublishOptions): Promise<void> {
    this.#setPublisher(streamId, "PUBLISH_REQUESTING");
    const kinds = media ?? (stream && kindsOf(stream));
    await this.send({
      type: "publish",
      stream_id: streamId,
      ...(kinds === undefined ? {} : { media: kinds }),
      ...(extra === undefined ? {} : { extra }),
    });
    if (stream && this.#publishing.has(streamId)) {
      try {
        await this.media.publish(streamId, stream, kinds ?? []);
      } catch (error) {
        // Announced, but nothing comes of it.
        this.send({ type: "stop_publish", stream_id: streamId }).catch(() => {});
        throw error;
      }
    }
    this.#setPublisher(streamId, "PUBLISHING");
  }

  async #startPlaying(streamId: string): Promise<MediaStream | undefined> {
    this.#setPlayer(streamId, "PLAY_REQUESTING");
    await this.send({ type: "play", stream_id: streamId });
    const wanted = Media.isPossible && this.#playing.has(streamId);
    const stream = wanted ? await this.media.play(streamId, this.roster().streams.get(streamId)?.media ?? []) : undefined;
    if (this.#isHere(streamId)) this.#setPlayer(streamId, "PLAYING");
    return stream;
  }

  #stopMedia(streamId: string): void {
    // Without a connection there is nothing to tell: the next one starts from what is wanted then.
    this.media.stop(streamId).catch(() => {});
  }

  #republish(streamId: string, options: PublishOptions): void {
    this.#startPublishing(streamId, options).catch((error: unknown) => this.#againFailed(error, (why) => this.#publishEnded(streamId, why)));
  }

  #replay(streamId: string): void {
    this.#startPlaying(streamId).catch((error: unknown) => this.#againFailed(error, (why) => this.#playEnded(streamId, why)));
  }

  /** A connection that broke meanwhile will be followed by another try. */
  #againFailed(error: unknown, end: (why: { code: string; number: number }) => void): void {
    if (error instanceof RoompassError && (error.kind === "network" || error.kind === "timeout")) return;
    end(asRefusal(error));
  }

  #isHere(streamId: string): boolean {
    return this.roster().streams.has(streamId);
  }

  #setPublisher(streamId: string, state: PublisherState): void {
    const publication = this.#publishing.get(streamId);
    if (!publication || publication.state === state) return;
    publication.state = state;
    this.#tellPublisher(streamId, state);
  }

  #setPlayer(streamId: string, state: PlayerState): void {
    const present = this.#playing.get(streamId);
    if (present === undefined || present === state) return;
    this.#playing.set(streamId, state);
    this.#tellPlayer(streamId, state);
  }

  #publishEnded(streamId: string, why: { code: string; number: number }): void {
    if (!this.#publishing.delete(streamId)) return;
    this.#stopMedia(streamId);
    this.#tellPublisher(streamId, "NO_PUBLISH", why);
  }

  #playEnded(streamId: string, why: { code: string; number: number }): void {
    if (!this.#playing.delete(streamId)) return;
    this.#stopMedia(streamId);
    this.#tellPlayer(streamId, "NO_PLAY", why);
  }

  #tellPublisher(streamId: string, state: PublisherState, why = { code: "ok", number: 0 }): void {
    this.events.emit("publisherStateUpdate", { streamId, state, code: why.code, errorCode: why.number });
  }

  #tellPlayer(streamId: string, state: PlayerState, why = { code: "ok", number: 0 }): void {
    this.events.emit("playerStateUpdate", { streamId, state, code: why.code, errorCode: why.number });
  }
}

/** What a stream of the browser's carries, as far as its tracks tell. */
function kindsOf(stream: MediaStream): MediaKind[] {
  const kinds = new Set(stream.getTracks().map((track): MediaKind => (track.kind === "audio" ? "audio" : "video")));
  return [...kinds];
}

function asRefusal(error: unknown): { code: string; number: number } {
  return error instanceof RoompassError ? error : { code: "unreachable", number: 1002030 };
}
