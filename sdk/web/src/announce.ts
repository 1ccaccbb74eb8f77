// What the app hears of the room: changes as they come, and the difference where the whole was sent again.

import type { Emitter } from "./emitter.js";
import type { RoompassEvents } from "./events.js";
import { readRoomExtra, readStream, readUser, type Picture, type Roster } from "./roster.js";
import type { Notice } from "./wire.js";

/** Tells what happened in the room. Notices that are the session's own business are left alone. */
export function announce(events: Emitter<RoompassEvents>, roomId: string, notice: Notice): void {
  const updateType = "change" in notice && notice.change === "add" ? "ADD" : "DELETE";
  switch (notice.type) {
    case "room_users":
      events.emit("roomUserUpdate", { roomId, updateType, users: notice.users.map(readUser), reason: notice.reason });
      break;
    case "room_streams":
      events.emit("roomStreamUpdate", { roomId, updateType, streams: notice.streams.map(readStream), reason: notice.reason });
      break;
    case "room_extra":
      events.emit("roomExtraInfoUpdate", { roomId, extra: readRoomExtra(notice) });
      break;
    case "user_extra":
      events.emit("userExtraInfoUpdate", { roomId, userId: notice.user_id, extra: notice.extra });
      break;
    case "room_message":
      events.emit("roomMessage", { roomId, userId: notice.user_id, text: notice.text, sentAt: notice.sent_at });
      break;
    case "signal":
      events.emit("signal", { roomId, userId: notice.user_id, text: notice.text, sentAt: notice.sent_at });
      break;
    case "server_message":
      events.emit("serverMessage", { roomId, text: notice.text, sentAt: notice.sent_at });
      break;
    default:
  }
}

/** Replaces the roster, and tells what differs from what the app has heard. */
export function announceWhole(events: Emitter<RoompassEvents>, roomId: string, roster: Roster, picture: Picture): void {
  const before = { users: new Map(roster.users), streams: new Map(roster.streams) };
  roster.replace(picture);
  const { users, streams } = roster;
  const reason = undefined;
  const goneStreams = [...before.streams.values()].filter(({ streamId }) => !streams.has(streamId));
  const goneUsers = [...before.users.values()].filter(({ userId }) => !users.has(userId));
  const newUsers = [...users.values()].filter(({ userId }) => !before.users.has(userId));
  const newStreams = [...streams.values()].filter(({ streamId }) => !before.streams.has(streamId));
  if (goneStreams.length > 0) events.emit("roomStreamUpdate", { roomId, updateType: "DELETE", streams: goneStreams, reason });
  if (goneUsers.length > 0) events.emit("roomUserUpdate", { roomId, updateType: "DELETE", users: goneUsers, reason });
  if (newUsers.length > 0) events.emit("roomUserUpdate", { roomId, updateType: "ADD", users: newUsers, reason });
  if (newStreams.length > 0) events.emit("roomStreamUpdate", { roomId, updateType: "ADD", streams: newStreams, reason });
  for (const extra of roster.extra.values()) events.emit("roomExtraInfoUpdate", { roomId, extra });
}
