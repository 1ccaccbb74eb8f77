// What the app hears. The names are the field's.

import type { RoompassError } from "./errors.js";
import type { RoomExtra, Stream, User } from "./roster.js";
import type { Privilege, Rights } from "./wire.js";

/** How the user stands to the room, in the field's words. */
export type RoomState =
  | "LOGOUT"
  | "LOGINING"
  | "LOGINED"
  | "LOGIN_FAILED"
  | "RECONNECTING"
  | "RECONNECTED"
  | "RECONNECT_FAILED"
  | "KICKOUT";

export type PublisherState = "PUBLISH_REQUESTING" | "PUBLISHING" | "NO_PUBLISH";
export type PlayerState = "PLAY_REQUESTING" | "PLAYING" | "NO_PLAY";

/** What happens to a stream of one's own, or to one that is played. */
export interface StreamState<State> {
  streamId: string;
  state: State;
  /** `ok`, or why it is not running. */
  code: string;
  /** The field's number for the code; 0 for none. */
  errorCode: number;
}

/** Every event with what it says. */
export interface RoompassEvents {
  /** The user stands differently to the room. `errorCode` is the field's number, 0 when all is well. */
  roomStateChanged: { roomId: string; reason: RoomState; errorCode: number; code: string; message: string };
  /** Users came or went; after a login, everybody who is there. */
  roomUserUpdate: { roomId: string; updateType: "ADD" | "DELETE"; users: User[]; reason: string | undefined };
  /** Streams came or went; after a login, all that are there. */
  roomStreamUpdate: { roomId: string; updateType: "ADD" | "DELETE"; streams: Stream[]; reason: string | undefined };
  /** A value that belongs to the room was set, or removed (empty). */
  roomExtraInfoUpdate: { roomId: string; extra: RoomExtra };
  /** The value beside a user was set, or removed (empty). */
  userExtraInfoUpdate: { roomId: string; userId: string; extra: string };
  /** Somebody, perhaps this user, said something to the room. `sentAt` is in Unix seconds. */
  roomMessage: { roomId: string; userId: string; text: string; sentAt: number };
  /** Somebody said something to this user. */
  signal: { roomId: string; userId: string; text: string; sentAt: number };
  /**
   * While the connection was lost, messages and signals may have come that are not told: the session was not kept, or
   * more was said than the server remembers.
   */
  messagesMissed: { roomId: string };
  /** The operator says something. */
  serverMessage: { roomId: string; text: string; sentAt: number };
  /** What this user may do has changed without a renewal. */
  privilegesChanged: { roomId: string; privileges: Privilege[]; rights: Rights };
  /** The token will expire, and there is no provider: fetch one and call `renewToken`. */
  tokenWillExpire: { roomId: string; remainTimeInSecond: number; expireAt: number };
  /**
   * The token has expired, and new streams are refused until it is renewed. What runs goes on, unless `rights.on_expiry` of
   * the login says otherwise: with `stop_publish` this user's own streams have ended, with `kick` the stay ends too, after
   * the grace that there may be.
   */
  tokenExpired: { roomId: string; expireAt: number };
  /** The server took a new token. */
  tokenRenewed: { roomId: string; expireAt: number; privileges: Privilege[]; rights: Rights; notice: string | undefined };
  /** The provider gave no token, or the server refused it. `retryInMs` is `undefined` if the provider is not asked again. */
  renewalFailed: { roomId: string; error: RoompassError; retryInMs: number | undefined };
  /** A stream of one's own. */
  publisherStateUpdate: StreamState<PublisherState>;
  /** A stream that is played. */
  playerStateUpdate: StreamState<PlayerState>;
}
