// Who and what is in the room, kept up to date from the numbered changes.

import type { MediaKind, Notice, WireRoomExtra, WireStream, WireUser } from "./wire.js";

/** Somebody in the room. */
export interface User {
  userId: string;
  userName: string;
  /** What the user's token says of them. */
  metadata?: string;
  /** What the user set beside the own name. */
  extra?: string;
}

/** A stream in the room. */
export interface Stream {
  streamId: string;
  userId: string;
  /** What it carries; empty if its publisher did not say. */
  media: MediaKind[];
  extra?: string;
}

/** A value that belongs to the room. */
export interface RoomExtra {
  key: string;
  /** Empty: the value was removed. */
  value: string;
  userId: string;
  /** In Unix seconds. */
  updatedAt: number;
}

/** The room as a whole, as the server tells it. */
export interface Picture {
  seq: number;
  users: WireUser[];
  streams: WireStream[];
  room_extra?: WireRoomExtra[];
}

/** What to make of a change: tell it, leave it (it is known), or come back because changes are missing. */
export type Judgement = "new" | "known" | "gap";

export class Roster {
  readonly users = new Map<string, User>();
  readonly streams = new Map<string, Stream>();
  readonly extra = new Map<string, RoomExtra>();
  seq = 0;
  /** Where the talk of the room stood with the latest message or signal, if the server says so. */
  mark: number | undefined;

  /** Starts over from `picture`. */
  replace(picture: Picture): void {
    this.clear();
    this.seq = picture.seq;
    for (const user of picture.users) this.users.set(user.user_id, readUser(user));
    for (const stream of picture.streams) this.streams.set(stream.stream_id, readStream(stream));
    for (const extra of picture.room_extra ?? []) this.extra.set(extra.key, readRoomExtra(extra));
  }

  /** Forgets everything. */
  clear(): void {
    this.seq = 0;
    this.users.clear();
    this.streams.clear();
    this.extra.clear();
  }

  /** Takes the number of a change. */
  judge(seq: number): Judgement {
    if (seq <= this.seq) return "known";
    if (seq > this.seq + 1) return "gap";
    this.seq = seq;
    return "new";
  }

  /** Takes where the talk stands with something said. Whether it has not been heard before. */
  isUnheard(mark: number | undefined): boolean {
    if (mark === undefined) return true;
    if (this.mark !== undefined && mark <= this.mark) return false;
    this.mark = mark;
    return true;
  }

  /** Takes in a change that is new. */
  apply(notice: Notice): void {
    switch (notice.type) {
      case "room_users":
        for (const user of notice.users) {
          if (notice.change === "add") this.users.set(user.user_id, readUser(user));
          else this.users.delete(user.user_id);
        }
        break;
      case "room_streams":
        for (const stream of notice.streams) {
          if (notice.change === "add") this.streams.set(stream.stream_id, readStream(stream));
          else this.streams.delete(stream.stream_id);
        }
        break;
      case "room_extra":
        if (notice.value === "") this.extra.delete(notice.key);
        else this.extra.set(notice.key, readRoomExtra(notice));
        break;
      case "user_extra": {
        const user = this.users.get(notice.user_id);
        if (!user) break;
        if (notice.extra === "") delete user.extra;
        else user.extra = notice.extra;
        break;
      }
      default:
    }
  }
}

export function readUser({ user_id, user_name, metadata, extra }: WireUser): User {
  return {
    userId: user_id,
    userName: user_name,
    ...(metadata === undefined ? {} : { metadata }),
    ...(extra === undefined ? {} : { extra }),
  };
}

export function readStream({ stream_id, user_id, media, extra }: WireStream): Stream {
  return { streamId: stream_id, userId: user_id, media: media ?? [], ...(extra === undefined ? {} : { extra }) };
}

export function readRoomExtra({ key, value, user_id, updated_at }: WireRoomExtra): RoomExtra {
  return { key, value, userId: user_id, updatedAt: updated_at };
}
