// The messages of the room gateway, as sdk/wire/README.md describes them. Nothing but types.

/** What a user may do; servers may send words that this build does not know. */
export type Privilege = "login" | "publish" | "play" | (string & {});

/** What a stream carries. */
export type MediaKind = "audio" | "video" | "screen" | "data" | (string & {});

/** The limits within which the privileges hold; each is absent where there is none. */
export interface Rights {
  /** The only streams that may be published. */
  publish_stream_ids?: string[];
  /** The only streams that may be played. */
  play_stream_ids?: string[];
  /** The only kinds that may be published. */
  media?: MediaKind[];
  /** When the right to log in ends, in Unix seconds. */
  login_until?: number;
  /** When the right to publish ends, in Unix seconds. */
  publish_until?: number;
  /** When the right to play ends, in Unix seconds. */
  play_until?: number;
  /** When the user has to leave, in Unix seconds. */
  stay_until?: number;
  /** What happens when the token expires. */
  on_expiry?: "keep" | "stop_publish" | "kick" | (string & {});
  /** How many seconds after the expiry that happens. */
  expiry_grace_secs?: number;
}

export interface WireUser {
  user_id: string;
  user_name: string;
  metadata?: string;
  extra?: string;
}

export interface WireStream {
  stream_id: string;
  user_id: string;
  media?: MediaKind[];
  extra?: string;
}

export interface WireRoomExtra {
  key: string;
  value: string;
  user_id: string;
  updated_at: number;
}

export interface Hello {
  type: "hello";
  protocol: string;
  challenge: string;
  server_time: number;
  login_timeout_secs: number;
}

export interface LoggedIn {
  type: "logged_in";
  id: number;
  session_id: string;
  room_id: string;
  user_id: string;
  auth: "token" | "app_sign" | (string & {});
  other_credential?: string;
  privileges: Privilege[];
  rights?: Rights;
  expire_at?: number;
  metadata?: string;
  resume_key?: string;
  resume_within_secs?: number;
  challenge?: string;
  server_time: number;
  room_session_id?: string;
  seq: number;
  mark?: number;
  users: WireUser[];
  streams: WireStream[];
  room_extra?: WireRoomExtra[];
}

export interface Resumed {
  type: "resumed";
  id: number;
  session_id: string;
  room_id: string;
  room_session_id: string;
  resume_key: string;
  resume_within_secs: number;
  privileges: Privilege[];
  rights?: Rights;
  expire_at?: number;
  server_time: number;
  seq: number;
  publishing: string[];
  playing: string[];
  messages_missed?: boolean;
  state?: { users: WireUser[]; streams: WireStream[]; room_extra?: WireRoomExtra[] };
}

export interface TokenRenewed {
  type: "token_renewed";
  id: number;
  expire_at: number;
  server_time: number;
  privileges: Privilege[];
  rights?: Rights;
  notice?: string;
}

export interface WireError {
  type: "error";
  id?: number;
  code: string;
  number: number;
  message: string;
  retryable: boolean;
  reason?: string;
}

export interface Kicked {
  type: "kicked";
  room_id: string;
  code: string;
  number: number;
  message: string;
  may_reconnect: boolean;
  reason?: string;
}

/** What a media line of an offer is for. */
export interface MediaTrack {
  mid: string;
  stream_id: string;
  /** What of the stream is sent on the line; without it the line plays the stream. */
  publish?: MediaKind;
}

export interface MediaAnswer {
  type: "media_answer";
  id: number;
  sdp: string;
  /** Lines that nothing goes through as things are, and why. */
  idle?: { mid: string; why: string }[];
}

export interface MediaServers {
  type: "media_servers";
  id: number;
  ice_servers: IceServer[];
  expire_at?: number;
}

/** A STUN or TURN server, in the shape that `RTCPeerConnection` takes. */
export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

/** An answer to a request that is not an error. */
export type Answer = LoggedIn | Resumed | TokenRenewed | MediaAnswer | MediaServers | { type: "ok"; id: number };

/** What the server says unasked. */
export type Notice =
  | { type: "token_will_expire"; room_id: string; remain_secs: number; expire_at: number; server_time: number }
  | { type: "token_expired"; room_id: string; expire_at: number }
  | { type: "room_users"; room_id: string; seq: number; change: "add" | "delete"; users: WireUser[]; reason?: string }
  | { type: "room_streams"; room_id: string; seq: number; change: "add" | "delete"; streams: WireStream[]; reason?: string }
  | ({ type: "room_extra"; room_id: string; seq: number } & WireRoomExtra)
  | { type: "user_extra"; room_id: string; seq: number; user_id: string; extra: string }
  | { type: "room_message"; room_id: string; seq: number; user_id: string; text: string; sent_at: number; mark?: number; missed?: boolean }
  | { type: "signal"; room_id: string; user_id: string; text: string; sent_at: number; mark?: number }
  | { type: "server_message"; room_id: string; text: string; sent_at: number }
  | { type: "privileges_changed"; room_id: string; privileges: Privilege[]; rights?: Rights; server_time: number }
  | { type: "reconnect"; within_secs: number }
  | { type: "publish_stopped"; stream_id: string; code: string; number: number }
  | { type: "play_stopped"; stream_id: string; code: string; number: number }
  | { type: "media_lost" }
  | Kicked;

export type ServerMessage = Hello | Answer | WireError | Notice;

/** The WebSocket subprotocol, with its version. */
export const SUBPROTOCOL = "roompass.v1";
/** Where the gateway is. */
export const GATEWAY_PATH = "/v1/gateway";
