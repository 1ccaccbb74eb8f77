// When to ask the app for a new token: a function of the token's life, the time passed and chance. It knows neither
// tokens nor sockets. Times are in milliseconds.

import { Backoff } from "./backoff.js";

/** The least time between two calls, however short the tokens: there is no hot loop. */
export const LEAST_INTERVAL = 5_000;
/** Enough to fetch a token over a bad network, with a retry. */
const LEAST_LEAD = 30_000;
/** The share of the lead that chance leaves. */
const LEAST_SHARE = 0.75;

/** How long before its expiry a token is renewed, at the earliest: 30 s or a fifth of its life, never over half. */
export function lead(life: number): number {
  return Math.min(Math.max(LEAST_LEAD, life / 5), life / 2);
}

/** The plan for the token in use. At most one call is ever under way. */
export class Renewal {
  #dueAt: number | undefined;
  #failures = Backoff.forProvider();
  #notBefore = 0;
  #underWay = false;

  /** When the next call is due, if one is. */
  get dueAt(): number | undefined {
    return this.#underWay ? undefined : this.#dueAt;
  }

  /** The moment before which no call may begin. */
  get notBefore(): number {
    return this.#notBefore;
  }

  /** The server has accepted a token with `left` to go. Chance shortens the lead, so that a crowd does not come at once. */
  accepted(now: number, left: number, chance: number): void {
    const at = now + Math.max(left - lead(left) * (1 - chance * (1 - LEAST_SHARE)), LEAST_INTERVAL);
    this.#underWay = false;
    this.#dueAt = Math.max(at, this.#notBefore);
  }

  /** The server warns that `left` remains. Brings a later plan forward. */
  warned(now: number, left: number, chance: number): void {
    const latest = now + left - lead(left) * LEAST_SHARE;
    if (this.#dueAt !== undefined && this.#dueAt > latest) {
      this.#dueAt = Math.max(now + (left / 2) * chance, this.#notBefore);
    }
  }

  /** A call begins. */
  begun(): void {
    this.#underWay = true;
  }

  /** A call gave a token: earlier failures are forgotten. */
  succeeded(): void {
    this.#failures.reset();
    this.#notBefore = 0;
  }

  /** The call, or the token it gave, came to nothing. Returns the wait before the next. */
  failed(now: number, chance: number): number {
    const wait = this.#failures.next(chance);
    this.#notBefore = now + wait;
    this.#dueAt = this.#notBefore;
    this.#underWay = false;
    return wait;
  }

  /** There is nothing to renew any more. */
  stop(): void {
    this.#underWay = false;
    this.#dueAt = undefined;
  }
}
