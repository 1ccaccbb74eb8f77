// Tokens as a client sees them: text, and the time in clear. Nothing here proves anything.

import { RoompassError } from "./errors.js";

/** A token, with the expiry that stands in it in clear: good for timers, never for access. */
export interface RoomToken {
  readonly text: string;
  /** In Unix seconds. */
  readonly expireAt: number;
}

/** Takes a token, or the token of a Kit Token. */
export function readToken(text: string): RoomToken {
  if (typeof text !== "string" || text === "") {
    throw RoompassError.usage("token_missing", "the token is empty: fetch one from your backend", 1002067);
  }
  const token = text.split("#", 1)[0]!;
  if (!/^0[34]/.test(token)) {
    throw RoompassError.usage("token_version", "this is no token: one begins with 04", 1002079);
  }
  let head: string;
  try {
    head = atob(token.slice(2, 14));
  } catch {
    head = "";
  }
  if (head.length < 8) {
    throw RoompassError.usage("token_invalid", "this is no token: it is cut short, or not in base64", 1002033);
  }
  let expireAt = 0n;
  for (let at = 0; at < 8; at++) expireAt = (expireAt << 8n) | BigInt(head.charCodeAt(at));
  return { text: token, expireAt: Number(BigInt.asIntN(64, expireAt)) };
}
