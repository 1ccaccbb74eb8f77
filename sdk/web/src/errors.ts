// Everything that can go wrong, as one type. Decide by `kind` and `code`, never by the text.

import type { WireError } from "./wire.js";

/**
 * Where an error comes from:
 * - `usage`: the call or its arguments are at fault; calling again the same way will not help
 * - `refused`: the server said no; `code` says why
 * - `denied`: the token provider said no for good
 * - `provider`: the token provider gave no usable token
 * - `network`: no connection, or it broke
 * - `timeout`: no answer in time
 * - `ended`: the room was left
 */
export type ErrorKind = "usage" | "refused" | "denied" | "provider" | "network" | "timeout" | "ended";

/** An error of this SDK. */
export class RoompassError extends Error {
  override readonly name = "RoompassError";
  /** Where it comes from. */
  readonly kind: ErrorKind;
  /** The stable code, of the server's catalogue where the server refused. */
  readonly code: string;
  /** What the field's SDKs call it; 0 where they have no number. */
  readonly number: number;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** Which rule said no, or which argument is at fault. */
  readonly reason: string | undefined;

  constructor(kind: ErrorKind, code: string, message: string, more: Partial<Pick<RoompassError, "number" | "retryable" | "reason">> = {}) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.number = more.number ?? 0;
    this.retryable = more.retryable ?? false;
    this.reason = more.reason;
  }

  /** What the server answered. */
  static refused(error: Omit<WireError, "type" | "id">): RoompassError {
    const { code, message, number, retryable, reason } = error;
    return new RoompassError("refused", code, message, { number, retryable, ...(reason === undefined ? {} : { reason }) });
  }

  /** The caller is at fault. */
  static usage(code: string, message: string, number = 0): RoompassError {
    return new RoompassError("usage", code, message, { number });
  }

  /** The connection broke, or could not be made. */
  static network(message: string): RoompassError {
    return new RoompassError("network", "unreachable", message, { number: 1002030, retryable: true });
  }

  /** No answer came. */
  static timeout(what: string, ms: number): RoompassError {
    return new RoompassError("timeout", "timeout", `${what} took longer than ${ms / 1000} s`, { number: 1002031, retryable: true });
  }

  /** The stay is over. */
  static ended(): RoompassError {
    return new RoompassError("ended", "not_in_room", "the room was left", { number: 1000002 });
  }
}
