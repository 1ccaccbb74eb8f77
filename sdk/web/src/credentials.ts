// What the client shows at a login: the token, kept fresh by the app's provider, and the proof that its backend makes.

import { RoompassError } from "./errors.js";
import type { Options, Server } from "./options.js";
import type { TokenAnswer, TokenRequest } from "./provider.js";
import { lead, Renewal } from "./renewal.js";
import { readToken, type RoomToken } from "./token.js";
import type { Hello } from "./wire.js";

/** How long a call of the app's hooks may take. */
const HOOK_LIMIT_MS = 10_000;

/** Refusals that another token may turn into an admission. */
const ABOUT_THE_TOKEN = new Set([
  "token_missing",
  "token_invalid",
  "token_version",
  "token_expired",
  "token_revoked",
  "token_user_mismatch",
  "token_used",
  "login_denied",
]);

/** Who wants to be where. */
export interface Asked {
  readonly roomId: string;
  readonly userId: string;
  readonly userName: string | undefined;
}

export class Credentials {
  readonly renewal = new Renewal();
  #token: RoomToken | undefined;
  /** How much of the token's life was left when it was first seen. */
  #life = 0;
  #refused = false;
  #fresh = false;
  #serverTime: { seconds: number; at: number } | undefined;
  #calls = new AbortController();

  constructor(private readonly options: Options) {}

  get token(): RoomToken | undefined {
    return this.#token;
  }

  /** Whether anything can be shown at all. */
  get canLogIn(): boolean {
    return this.#token !== undefined || this.options.tokenProvider !== undefined || this.options.mode === "app_sign" || this.options.loginProof !== undefined;
  }

  /** Whether the SDK renews by itself. */
  get renewsByItself(): boolean {
    return this.options.tokenProvider !== undefined && this.options.mode !== "app_sign";
  }

  /** Takes a token that the app handed over or the provider gave. */
  take(token: RoomToken): void {
    if (token.text !== this.#token?.text) this.#life = 0;
    this.#token = token;
    this.#refused = false;
    this.#notice();
  }

  /** Notes the server's clock; the device's own date is never looked at. */
  correctTime(serverTime: number): void {
    this.#serverTime = { seconds: serverTime, at: this.options.environment.now() };
    this.#notice();
  }

  /** The server's clock, in whole Unix seconds; `undefined` before it is known. */
  get serverTime(): number | undefined {
    const time = this.#serverTime;
    return time && Math.floor(time.seconds + (this.options.environment.now() - time.at) / 1000);
  }

  /** How long until `instant` by the server's clock, in ms; 0 while that is unknown. */
  leftUntil(instant: number): number {
    const time = this.#serverTime;
    if (!time) return 0;
    return Math.max(0, (instant - time.seconds) * 1000 - (this.options.environment.now() - time.at));
  }

  /** The connection is lost: a token from before is not fresh any more. */
  lost(): void {
    this.#fresh = false;
    this.renewal.stop();
  }

  /** The server has turned down what was shown. Whether another token may help, and the app can be asked for one. */
  refused(error: RoompassError): boolean {
    const mayHelp = error.kind === "refused" && ABOUT_THE_TOKEN.has(error.code) && this.renewsByItself && !this.#fresh;
    if (mayHelp) this.#refused = true;
    return mayHelp;
  }

  /** The server has taken the token. */
  accepted(expireAt: number | undefined): void {
    this.#refused = false;
    if (expireAt === undefined || !this.renewsByItself) this.renewal.stop();
    else this.renewal.accepted(this.#now(), this.leftUntil(expireAt), this.#chance());
  }

  /** Whether the token should be replaced before it is shown again. */
  get wantsAnotherToken(): boolean {
    if (!this.renewsByItself) return false;
    const token = this.#token;
    if (!token || this.#refused) return true;
    return this.#serverTime !== undefined && this.leftUntil(token.expireAt) <= lead(this.#life);
  }

  /** Asks the provider for a token to log in with, but not sooner than its failures allow. */
  async replace(asked: Asked, cause: TokenRequest["cause"], wait: (ms: number) => Promise<void>): Promise<void> {
    const { notBefore } = this.renewal;
    if (this.#now() < notBefore) {
      if (this.#presentMayDo) return;
      await wait(notBefore - this.#now());
    }
    try {
      this.take(await this.ask(asked, cause));
      this.#fresh = true;
      this.renewal.succeeded();
    } catch (error) {
      if (!(error instanceof RoompassError) || error.kind !== "provider") throw error;
      this.renewal.failed(this.#now(), this.#chance());
      if (!this.#presentMayDo) throw error;
    }
  }

  /** Asks the provider. Every fault of its own is an error of kind `provider`, a no for good one of kind `denied`. */
  async ask(asked: Asked, cause: TokenRequest["cause"]): Promise<RoomToken> {
    const provider = this.options.tokenProvider;
    if (!provider) throw RoompassError.usage("token_missing", "this login needs a token, or a tokenProvider", 1002067);
    const request: TokenRequest = { appId: this.options.appId, userId: asked.userId, roomId: asked.roomId, cause };
    const answer = await this.#call("the token provider", (signal) => provider(request, signal));
    const token = readAnswer(answer);
    if (this.#serverTime && this.leftUntil(token.expireAt) === 0) throw fault("gave a token that has expired");
    return token;
  }

  /** What a login to `asked` shows on a connection with that greeting. */
  async show(asked: Asked, hello: Hello, server: Server, token = this.#token): Promise<Record<string, unknown>> {
    const { mode, loginProof } = this.options;
    const shown: Record<string, unknown> = {};
    if (token && mode !== "app_sign") shown["token"] = token.text;
    if (loginProof && mode !== "token_only") {
      const timestamp = this.serverTime ?? hello.server_time;
      const { origin } = server;
      const { challenge } = hello;
      const request = { origin, appId: this.options.appId, userId: asked.userId, roomId: asked.roomId, challenge, timestamp };
      try {
        shown["app_sign_proof"] = { timestamp, proof: await this.#call("loginProof", (signal) => loginProof(request, signal)) };
      } catch (error) {
        // Without a proof, a token alone may still do; without both there is nothing to show.
        if (shown["token"] === undefined) throw error;
      }
    }
    if (Object.keys(shown).length === 0) throw RoompassError.usage("token_missing", "this login needs a token, or a tokenProvider", 1002067);
    return shown;
  }

  /** Ends calls that are under way. */
  abandon(): void {
    this.#calls.abort();
    this.#calls = new AbortController();
    this.renewal.stop();
  }

  get #presentMayDo(): boolean {
    return !this.#refused && this.#token !== undefined && this.leftUntil(this.#token.expireAt) > 0;
  }

  #notice(): void {
    if (this.#token && this.#serverTime) this.#life = Math.max(this.#life, this.leftUntil(this.#token.expireAt));
  }

  #call<T>(what: string, hook: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { environment } = this.options;
    const ended = this.#calls.signal;
    return new Promise((resolve, reject) => {
      const call = new AbortController();
      const settle = (then: () => void): void => {
        stopClock();
        ended.removeEventListener("abort", abandoned);
        then();
      };
      const abandoned = (): void => settle(() => (call.abort(), reject(RoompassError.ended())));
      const stopClock = environment.after(HOOK_LIMIT_MS, () =>
        settle(() => (call.abort(), reject(fault(`did not answer within ${HOOK_LIMIT_MS / 1000} s`, what)))),
      );
      ended.addEventListener("abort", abandoned);
      // A hook may throw before it returns a promise.
      Promise.resolve()
        .then(() => hook(call.signal))
        .then(
          (value) => settle(() => resolve(value)),
          () => settle(() => reject(fault("failed", what))),
        );
    });
  }

  #now(): number {
    return this.options.environment.now();
  }

  #chance(): number {
    return this.options.environment.random();
  }
}

function readAnswer(answer: TokenAnswer | string): RoomToken {
  if (typeof answer === "object" && answer !== null && "denied" in answer) {
    throw new RoompassError("denied", "denied", String(answer.denied));
  }
  const text = typeof answer === "string" ? answer : typeof answer === "object" && answer !== null && "token" in answer ? answer.token : undefined;
  if (text === undefined) throw fault("has no token now");
  try {
    return readToken(text);
  } catch {
    throw fault("gave something that is no token");
  }
}

function fault(what: string, who = "the token provider"): RoompassError {
  return new RoompassError("provider", "provider_failed", `${who} ${what}`, { retryable: true });
}
