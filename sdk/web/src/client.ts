// What an app holds: one client, in one room at a time.

import { Emitter } from "./emitter.js";
import { RoompassError } from "./errors.js";
import type { RoomState, RoompassEvents } from "./events.js";
import { check, type ClientOptions, type Options } from "./options.js";
import type { RoomExtra, Stream, User } from "./roster.js";
import { Session, type LoginResult } from "./session.js";
import type { PublishOptions } from "./streams.js";

/** The user who enters. */
export interface LocalUser {
  userId: string;
  /** What the others see; the user id unless set. */
  userName?: string;
}

/** How a room is entered. */
export interface LoginConfig {
  /** A token, or a Kit Token; the token provider is asked where there is none. */
  token?: string;
}

/**
 * Enters rooms of one app.
 *
 * ```ts
 * const client = new RoompassClient({ appId: 1234567890, server: "https://rtc.example.com", tokenProvider: httpProvider("/token") });
 * client.on("roomUserUpdate", ({ updateType, users }) => console.log(updateType, users));
 * await client.loginRoom("room1", { userId: "alice", userName: "Alice" });
 * await client.startPublishingStream("alice-camera");
 * ```
 *
 * Every method that fails rejects with a {@link RoompassError}.
 */
export class RoompassClient extends Emitter<RoompassEvents> {
  readonly #options: Options;
  #session: Session | undefined;

  /** @throws {RoompassError} of kind `usage` for options that cannot work. */
  constructor(options: ClientOptions) {
    super();
    this.#options = check(options);
  }

  /** Enters `roomId`, which comes into being with its first user. */
  async loginRoom(roomId: string, user: LocalUser, config: LoginConfig = {}): Promise<LoginResult> {
    if (this.#session && !this.#session.isOver) {
      throw RoompassError.usage("already_in_room", "log out of the present room first, or use switchRoom", 1002001);
    }
    checkId("roomId", roomId, 128, "room_id_invalid", 1002012);
    checkId("userId", user.userId, 64, "user_id_invalid", 1002006);
    const session = new Session(this.#options, this, { roomId, userId: user.userId, userName: user.userName }, config.token);
    this.#session = session;
    return session.logIn();
  }

  /** Leaves the room. Not being in any is fine. */
  async logoutRoom(): Promise<void> {
    await this.#session?.logOut();
  }

  /** Leaves for another room, on the same connection. If it refuses, the user is in neither. */
  async switchRoom(fromRoomId: string, toRoomId: string, config: LoginConfig = {}): Promise<LoginResult> {
    const session = this.#present();
    if (fromRoomId !== session.roomId) throw RoompassError.usage("not_in_that_room", "the user is not in that room", 1002002);
    checkId("toRoomId", toRoomId, 128, "room_id_invalid", 1002012);
    return session.switchRoom(toRoomId, config.token);
  }

  /** Replaces the token without leaving. A refused one changes nothing. */
  async renewToken(token: string): Promise<void> {
    await this.#present("not_in_that_room", 1002002).renewToken(token);
  }

  /** Starts publishing a stream, whose id must be free in the whole app. */
  async startPublishingStream(streamId: string, options: PublishOptions = {}): Promise<void> {
    checkStreamId(streamId);
    await this.#present().streams.publish(streamId, options);
  }

  /** Stops publishing it. */
  async stopPublishingStream(streamId: string): Promise<void> {
    await this.#present().streams.stopPublishing(streamId);
  }

  /**
   * Starts playing a stream of the app; one that does not exist yet is waited for. Resolves with what is received, for
   * the `srcObject` of an element; `undefined` where there is no WebRTC.
   */
  async startPlayingStream(streamId: string): Promise<MediaStream | undefined> {
    checkStreamId(streamId);
    return this.#present().streams.play(streamId);
  }

  /** Stops playing it. */
  async stopPlayingStream(streamId: string): Promise<void> {
    await this.#present().streams.stopPlaying(streamId);
  }

  /** Says something to everybody in the room, this user too. 1 to 4,096 bytes. */
  async sendRoomMessage(text: string): Promise<void> {
    await this.#present().request({ type: "send_message", text });
  }

  /** Says something to 1 to 16 users of the room. 1 to 16,384 bytes. */
  async sendSignal(userIds: string[], text: string): Promise<void> {
    await this.#present().request({ type: "send_signal", user_ids: userIds, text });
  }

  /** Sets a value that belongs to the room; an empty one removes it. */
  async setRoomExtraInfo(key: string, value: string): Promise<void> {
    await this.#present().request({ type: "set_room_extra", key, value });
  }

  /** Sets what the others see beside this user; an empty text removes it. */
  async setUserExtraInfo(extra: string): Promise<void> {
    await this.#present().request({ type: "set_user_extra", extra });
  }

  /** How the user stands to the room. */
  get roomState(): RoomState {
    return this.#session?.state ?? "LOGOUT";
  }

  /** How the server let the user in, with what holds now; `undefined` outside a room. */
  get login(): LoginResult | undefined {
    return this.#session?.isOver === false ? this.#session.result : undefined;
  }

  /** How long the token is still good by the server's clock, in ms; `undefined` without one. */
  get tokenLeftMs(): number | undefined {
    return this.login && this.#session?.tokenLeftMs;
  }

  /** Everybody in the room, in joining order, this user too. */
  get users(): User[] {
    return [...(this.#session?.roster.users.values() ?? [])];
  }

  /** Every stream in the room, in starting order. */
  get streams(): Stream[] {
    return [...(this.#session?.roster.streams.values() ?? [])];
  }

  /** The values that belong to the room. */
  get roomExtraInfo(): RoomExtra[] {
    return [...(this.#session?.roster.extra.values() ?? [])];
  }

  /** The ids of this user's own streams. */
  get publishing(): string[] {
    return this.#session?.streams.publishing ?? [];
  }

  /** The ids of the streams that are played or waited for. */
  get playing(): string[] {
    return this.#session?.streams.playing ?? [];
  }

  /** What the browser measures of sound and pictures; `undefined` without any. */
  async getStats(): Promise<RTCStatsReport | undefined> {
    return this.#session?.streams.media.stats();
  }

  /** The stay there is; where there is none, `code` and `number` are what the field says to that. */
  #present(code = "not_in_room", number = 1000002): Session {
    if (!this.#session || this.#session.isOver) throw RoompassError.usage(code, "log in to a room first", number);
    return this.#session;
  }
}

/** Letters, digits and some signs, as the wire reference has them. */
const ID = /^[A-Za-z0-9~!@#$%^&*()_+=\-`;',.<>\\]+$/;

function checkId(name: string, id: string, longest: number, code: string, number: number): void {
  if (typeof id !== "string" || id.length > longest || !ID.test(id)) {
    throw RoompassError.usage(code, `${name} is 1 to ${longest} letters, digits and ~!@#$%^&*()_+=-\`;',.<>\\`, number);
  }
}

function checkStreamId(streamId: string): void {
  if (typeof streamId !== "string" || !/^[A-Za-z0-9_-]{1,256}$/.test(streamId)) {
    throw RoompassError.usage("stream_id_invalid", "streamId is 1 to 256 letters, digits, - and _", 1000016);
  }
}
