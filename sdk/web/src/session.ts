// One user's stay in a room: enters, stays, comes back after a loss, ends.

import { announce, announceWhole } from "./announce.js";
import { Backoff } from "./backoff.js";
import { Connection, type Loss } from "./connection.js";
import { Credentials, type Asked } from "./credentials.js";
import type { Emitter } from "./emitter.js";
import { sleep } from "./environment.js";
import { RoompassError } from "./errors.js";
import type { RoomState, RoompassEvents } from "./events.js";
import { Media } from "./media.js";
import type { Options, Server } from "./options.js";
import type { TokenRequest } from "./provider.js";
import { Roster } from "./roster.js";
import { Streams } from "./streams.js";
import { readToken, type RoomToken } from "./token.js";
import type { Answer, Kicked, LoggedIn, Notice, Privilege, Resumed, Rights } from "./wire.js";

const SDK = "roompass-web/0.1.0";
/** A connection that held for this long was a success: the waits start over. */
const HELD_MS = 30_000;
/** The waits before it: a device that woke up is not made to wait for a plan from before. */
const AFTER_WAKE_MS = 500;

/** How the server let the user in. */
export interface LoginResult {
  roomId: string;
  userId: string;
  /** Names this stay in the operator's logs. */
  sessionId: string;
  /** The credential that counted. By AppSign, the user id is unproven and nothing can be renewed. */
  auth: string;
  /** Why the other credential, if one was shown, did not count. */
  otherCredential: string | undefined;
  privileges: Privilege[];
  rights: Rights;
  /** In Unix seconds; `undefined` without a token. */
  expireAt: number | undefined;
  /** What the token's minter says of the user. */
  metadata: string | undefined;
  /** Names this life of the room. */
  roomSessionId: string;
}

/** The place in the room that the server keeps for a while after a loss. */
interface Place {
  sessionId: string;
  resumeKey: string;
  keptForMs: number;
  keptUntil: number | undefined;
}

type Welcome = LoggedIn | Resumed;

export class Session {
  readonly roster = new Roster();
  readonly streams: Streams;
  result: LoginResult | undefined;
  state: RoomState = "LOGOUT";
  readonly #credentials: Credentials;
  readonly #reconnects = Backoff.forConnection();
  readonly #end = new AbortController();
  #connection: Connection | undefined;
  /** Given up, but not closed before the place was taken up elsewhere. */
  readonly #abandoned: Connection[] = [];
  #connectedAt = 0;
  #place: Place | undefined;
  #server = 0;
  #kick: Kicked | undefined;
  /** A switch that was refused; a close with 4000 says that it was after the old room was left. */
  #switching: { from: string; asked: Asked; failure: RoompassError } | undefined;
  #hint: number | undefined;
  #cancelRenewal = (): void => {};
  #stopWatchingWake = (): void => {};
  #wake: (() => void) | undefined;
  /** Resolved when the user is in the room again, rejected at the end. */
  #back: { promise: Promise<void>; resolve: () => void; reject: (error: RoompassError) => void } | undefined;

  constructor(
    private readonly options: Options,
    private readonly events: Emitter<RoompassEvents>,
    private asked: Asked,
    token: string | undefined,
  ) {
    this.#credentials = new Credentials(options);
    if (token !== undefined) this.#credentials.take(readToken(token));
    const send = (message: { type: string } & Record<string, unknown>): Promise<Answer> => this.request(message);
    this.streams = new Streams(events, send, () => this.roster, new Media(options, send));
  }

  get roomId(): string {
    return this.asked.roomId;
  }

  get userId(): string {
    return this.asked.userId;
  }

  /** Whether the stay has ended for good. */
  get isOver(): boolean {
    return this.#end.signal.aborted;
  }

  /** How long the token is still good, in ms; `undefined` without one. */
  get tokenLeftMs(): number | undefined {
    const expireAt = this.result?.expireAt;
    return expireAt === undefined ? undefined : this.#credentials.leftUntil(expireAt);
  }

  /** Enters the room. */
  async logIn(): Promise<LoginResult> {
    this.#enterState("LOGINING");
    try {
      if (!this.#credentials.canLogIn) {
        throw RoompassError.usage("token_missing", "this login needs a token, or a tokenProvider", 1002067);
      }
      await this.#enterFirst();
    } catch (error) {
      const failure = asError(error);
      const left = this.isOver;
      this.#finish();
      if (!left) this.#enterState("LOGIN_FAILED", failure);
      throw failure;
    }
    this.#stopWatchingWake = this.options.environment.onWake(() => this.#woken());
    return this.result!;
  }

  /** Leaves the room. Never fails: who cannot be heard is gone all the same. */
  async logOut(): Promise<void> {
    if (this.isOver) return;
    const connection = this.#connection;
    this.#finish();
    await connection?.request({ type: "logout" }, this.options.requestTimeoutMs).catch(() => {});
    connection?.close();
    this.#enterState("LOGOUT");
  }

  /** Leaves for another room, on the same connection. */
  async switchRoom(roomId: string, token: string | undefined): Promise<LoginResult> {
    if (roomId === this.roomId) throw RoompassError.usage("already_in_room", "the user is in that room already", 1002001);
    await this.#ready();
    const connection = this.#connection!;
    const asked = { ...this.asked, roomId };
    let next: RoomToken | undefined;
    if (token !== undefined) next = readToken(token);
    else if (this.#credentials.renewsByItself) next = await this.#credentials.ask(asked, "first_login");
    if (!next && this.result?.auth === "token") {
      throw RoompassError.usage("token_missing", "whoever came in by a token needs one for the other room", 1002067);
    }
    const shown = await this.#credentials.show(asked, connection.hello, this.#at, next);
    const message = { type: "switch_room", from_room_id: this.roomId, room_id: roomId, ...shown };
    const from = this.roomId;
    try {
      await connection.request(message, this.options.requestTimeoutMs, (answer) => {
        this.streams.forget();
        this.#tellState(from, "LOGOUT");
        this.asked = asked;
        if (next) this.#credentials.take(next);
        this.#enterState("LOGINING");
        this.#settle(answer as LoggedIn, "LOGINED");
      });
    } catch (error) {
      const failure = asError(error);
      // Refused before the old room was left, the connection goes on; afterwards it is closed with 4000.
      if (failure.kind === "refused") this.#switching = { from, asked, failure };
      throw failure;
    }
    return this.result!;
  }
  /** Replaces the token. */
  async renewToken(text: string): Promise<void> {
    const token = readToken(text);
    if (this.result?.auth === "app_sign") {
      throw RoompassError.usage("app_sign_session", "a session by AppSign cannot be renewed: log out, then log in with the token", 1002033);
    }
    if (!this.#connection && !this.isOver) this.#credentials.take(token);
    await this.#ready();
    await this.#renewWith(token);
  }

  /** Sends a request, once the user is in the room. */
  async request(message: { type: string } & Record<string, unknown>): Promise<Answer> {
    await this.#ready();
    return this.#connection!.request(message, this.options.requestTimeoutMs);
  }

  // Entering.

  async #enterFirst(): Promise<void> {
    let others = this.options.servers.length - 1;
    for (;;) {
      try {
        await this.#enter("first_login", "LOGINED");
        return;
      } catch (error) {
        const failure = asError(error);
        if (this.isOver || failure.kind === "provider") throw failure;
        if (this.#credentials.refused(failure)) continue;
        if ((failure.kind === "network" || failure.kind === "timeout") && others-- > 0) {
          this.#server = (this.#server + 1) % this.options.servers.length;
          continue;
        }
        throw failure;
      }
    }
  }

  /** One try: back to the place that is kept, or in anew. */
  async #enter(cause: TokenRequest["cause"], state: RoomState): Promise<void> {
    const { environment, requestTimeoutMs } = this.options;
    const place = this.#place && (this.#place.keptUntil ?? Infinity) > environment.now() ? this.#place : undefined;
    if (!place) await this.#replaceToken(cause);
    const connection = await Connection.open(environment, this.#at.socketUrl, requestTimeoutMs);
    try {
      this.#throwIfOver();
      this.#credentials.correctTime(connection.hello.server_time);
      if (place && (await this.#resume(connection, place, state))) return;
      if (place) await this.#replaceToken(cause);
      const shown = await this.#credentials.show(this.asked, connection.hello, this.#at);
      this.#throwIfOver();
      const { roomId, userId, userName } = this.asked;
      const login = {
        type: "login",
        app_id: this.options.appId,
        user_id: userId,
        ...(userName === undefined ? {} : { user_name: userName }),
        room_id: roomId,
        ...shown,
        sdk: SDK,
      };
      await connection.request(login, requestTimeoutMs, (answer) => this.#welcome(connection, answer as LoggedIn, state));
    } catch (error) {
      if (this.#connection !== connection) connection.close();
      throw error;
    }
    this.#throwIfOver();
  }

  /** Whether the place was still there. */
  async #resume(connection: Connection, place: Place, state: RoomState): Promise<boolean> {
    const resume = {
      type: "resume",
      app_id: this.options.appId,
      session_id: place.sessionId,
      resume_key: place.resumeKey,
      seq: this.roster.seq,
      ...(this.roster.mark === undefined ? {} : { mark: this.roster.mark }),
    };
    // Good once, whatever comes of it.
    this.#place = undefined;
    try {
      await connection.request(resume, this.options.requestTimeoutMs, (answer) => this.#welcome(connection, answer as Resumed, state));
      return true;
    } catch (error) {
      if (error instanceof RoompassError && error.code === "resume_refused") return false;
      throw error;
    }
  }

  async #replaceToken(cause: TokenRequest["cause"]): Promise<void> {
    if (!this.#credentials.wantsAnotherToken) return;
    await this.#credentials.replace(this.asked, cause, (ms) => sleep(this.options.environment, ms, this.#end.signal));
    this.#throwIfOver();
  }

  #welcome(connection: Connection, answer: Welcome, state: RoomState): void {
    if (this.isOver) {
      connection.close();
      return;
    }
    this.#connection = connection;
    this.#connectedAt = this.options.environment.now();
    this.#hint = undefined;
    this.#closeAbandoned();
    this.#settle(answer, state);
    connection.listen({ notice: (notice) => this.#hear(notice), lost: (loss) => this.#lost(connection, loss) });
  }

  /** Takes the place in the room that the server gave. */
  #settle(answer: Welcome, state: RoomState): void {
    const isResumed = answer.type === "resumed";
    this.#credentials.correctTime(answer.server_time);
    this.result = {
      roomId: answer.room_id,
      userId: this.asked.userId,
      sessionId: answer.session_id,
      auth: isResumed ? (this.result?.auth ?? "token") : answer.auth,
      otherCredential: isResumed ? this.result?.otherCredential : answer.other_credential,
      privileges: answer.privileges,
      rights: answer.rights ?? {},
      expireAt: answer.expire_at,
      metadata: isResumed ? this.result?.metadata : answer.metadata,
      roomSessionId: answer.room_session_id ?? "",
    };
    this.#place =
      answer.resume_key === undefined
        ? undefined
        : {
            sessionId: answer.session_id,
            resumeKey: answer.resume_key,
            keptForMs: (answer.resume_within_secs ?? 0) * 1000,
            keptUntil: undefined,
          };
    this.#credentials.accepted(answer.expire_at);
    this.#planRenewal();
    this.#enterState(state);
    const whole = isResumed ? answer.state && { seq: answer.seq, ...answer.state } : answer;
    if (whole) announceWhole(this.events, this.roomId, this.roster, whole);
    if (!isResumed) this.roster.mark = answer.mark;
    const missed = isResumed ? answer.messages_missed === true : state === "RECONNECTED";
    if (missed) this.events.emit("messagesMissed", { roomId: this.roomId });
    if (isResumed) this.streams.resumed(answer.publishing, answer.playing);
    else this.streams.startAgain();
    const back = this.#back;
    this.#back = undefined;
    back?.resolve();
  }

  // Staying.

  #hear(notice: Notice): void {
    const { roomId } = this;
    const wasMissed = notice.type === "room_message" && notice.missed === true;
    if ("seq" in notice && !wasMissed) {
      const judgement = this.roster.judge(notice.seq);
      if (judgement === "known") return;
      if (judgement === "gap") {
        // Something was lost: resuming brings what came after the last change that was heard.
        this.#dropConnection();
        return;
      }
      this.roster.apply(notice);
    }
    if ((notice.type === "room_message" || notice.type === "signal") && !this.roster.isUnheard(notice.mark)) return;
    announce(this.events, roomId, notice);
    switch (notice.type) {
      case "room_streams":
        this.streams.roomChanged();
        break;
      case "privileges_changed":
        this.#credentials.correctTime(notice.server_time);
        if (this.result) this.result = { ...this.result, privileges: notice.privileges, rights: notice.rights ?? {} };
        this.events.emit("privilegesChanged", { roomId, privileges: notice.privileges, rights: notice.rights ?? {} });
        break;
      case "token_will_expire":
        this.#credentials.correctTime(notice.server_time);
        if (this.#credentials.renewsByItself) {
          this.#credentials.renewal.warned(this.options.environment.now(), notice.remain_secs * 1000, this.options.environment.random());
          this.#planRenewal();
        } else {
          this.events.emit("tokenWillExpire", { roomId, remainTimeInSecond: notice.remain_secs, expireAt: notice.expire_at });
        }
        break;
      case "token_expired":
        this.events.emit("tokenExpired", { roomId, expireAt: notice.expire_at });
        break;
      case "publish_stopped":
        this.streams.publishStopped(notice.stream_id, notice.code, notice.number);
        break;
      case "play_stopped":
        this.streams.playStopped(notice.stream_id, notice.code, notice.number);
        break;
      case "media_lost":
        this.streams.media.lost();
        break;
      case "reconnect":
        this.#hint = notice.within_secs * 1000;
        this.#move();
        break;
      case "kicked":
        this.#kick = notice;
        break;
      default:
      // A kind that this build does not know.
    }
  }

  /** The server is about to stop: goes to another, or the same one anew, at a random moment of the time it gave. */
  #move(): void {
    const { environment } = this.options;
    const wait = environment.random() * (this.#hint ?? 0);
    const connection = this.#connection;
    void sleep(environment, wait, this.#end.signal).then(() => {
      if (this.#connection === connection && !this.isOver) this.#dropConnection();
    });
  }

  /** Gives the connection up without leaving: the place is kept. */
  #dropConnection(): void {
    const connection = this.#connection;
    if (!connection) return;
    connection.abandon();
    this.#abandoned.push(connection);
    this.#lost(connection, { code: 1006, error: undefined });
  }

  #closeAbandoned(): void {
    for (const connection of this.#abandoned.splice(0)) connection.close();
  }

  // Renewing.

  #planRenewal(): void {
    this.#cancelRenewal();
    const { dueAt } = this.#credentials.renewal;
    if (dueAt === undefined) return;
    const { environment } = this.options;
    this.#cancelRenewal = environment.after(Math.max(0, dueAt - environment.now()), () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { renewal } = this.#credentials;
    const { environment } = this.options;
    if (!this.#connection || this.isOver) return;
    const connection = this.#connection;
    renewal.begun();
    try {
      const token = await this.#credentials.ask(this.asked, "renewal");
      if (this.#connection !== connection) {
        // Meanwhile the connection was lost: the next login shows it.
        if (!this.isOver) this.#credentials.take(token);
        return;
      }
      await this.#renewWith(token);
    } catch (error) {
      const failure = asError(error);
      if (this.isOver || failure.kind === "ended" || this.#connection !== connection) return;
      let retryInMs: number | undefined;
      if (failure.kind === "denied") renewal.stop();
      else retryInMs = renewal.failed(environment.now(), environment.random());
      this.events.emit("renewalFailed", { roomId: this.roomId, error: failure, retryInMs });
      this.#planRenewal();
    }
  }

  async #renewWith(token: RoomToken): Promise<void> {
    const connection = this.#connection;
    if (!connection) throw RoompassError.network("the connection is lost");
    await connection.request({ type: "renew_token", token: token.text }, this.options.requestTimeoutMs, (answer) => {
      if (answer.type !== "token_renewed" || !this.result) return;
      this.#credentials.take(token);
      this.#credentials.correctTime(answer.server_time);
      this.#credentials.renewal.succeeded();
      this.#credentials.accepted(answer.expire_at);
      const { privileges, rights = {}, expire_at: expireAt, notice } = answer;
      this.result = { ...this.result, privileges, rights, expireAt };
      this.events.emit("tokenRenewed", { roomId: this.roomId, expireAt, privileges, rights, notice });
      this.#planRenewal();
    });
  }

  // Coming back, and ending.

  #lost(connection: Connection, loss: Loss): void {
    if (this.#connection !== connection || this.isOver) return;
    this.#connection = undefined;
    this.#cancelRenewal();
    const kick = this.#kick;
    this.#kick = undefined;
    if (kick && !kick.may_reconnect) {
      const message = kick.reason ?? kick.message;
      this.#finish();
      this.#enterState("KICKOUT", new RoompassError("refused", kick.code, message, { number: kick.number }));
      return;
    }
    if (loss.code === 4000 && this.#switching) {
      const { from, asked, failure } = this.#switching;
      this.#finish();
      this.#tellState(from, "LOGOUT");
      this.asked = asked;
      this.#enterState("LOGINING");
      this.#enterState("LOGIN_FAILED", failure);
      return;
    }
    this.#switching = undefined;
    if (kick) this.#place = undefined;
    // Codes below 4100 mean to stay away, except that a connection that breaks has none of the server's.
    const mayComeBack = kick !== undefined || loss.code >= 4100 || loss.code === 1006 || loss.code === 1001;
    if (!mayComeBack) {
      this.#finish();
      const failure = loss.error ?? new RoompassError("refused", "logged_in_elsewhere", "the session goes on elsewhere, or was closed", { number: 1002086 });
      this.#enterState("RECONNECTING");
      this.#enterState("RECONNECT_FAILED", failure);
      return;
    }
    void this.#comeBack();
  }

  async #comeBack(): Promise<void> {
    const { environment, reconnectForMs, servers } = this.options;
    const started = environment.now();
    if (this.#place) this.#place.keptUntil = started + this.#place.keptForMs;
    if (started - this.#connectedAt >= HELD_MS) this.#reconnects.reset();
    this.#credentials.lost();
    this.#enterState("RECONNECTING");
    let failure = RoompassError.timeout("the way back", reconnectForMs);
    while (!this.isOver) {
      await this.#pause(this.#reconnects.next(environment.random()));
      if (this.isOver) return;
      if (environment.now() - started >= reconnectForMs) break;
      try {
        await this.#enter("relogin", "RECONNECTED");
        return;
      } catch (error) {
        failure = asError(error);
        if (this.isOver) return;
        if (this.#credentials.refused(failure)) continue;
        const isFinal = failure.kind === "usage" || failure.kind === "denied" || (failure.kind === "refused" && !failure.retryable);
        if (isFinal) break;
        if (failure.kind === "network" || failure.kind === "timeout") this.#server = (this.#server + 1) % servers.length;
      }
    }
    this.#finish(failure);
    this.#enterState("RECONNECT_FAILED", failure);
  }

  /** Waits, at most `ms`; less once the device has woken up. */
  async #pause(ms: number): Promise<void> {
    const { environment } = this.options;
    const early = new AbortController();
    const end = (): void => early.abort();
    this.#end.signal.addEventListener("abort", end);
    this.#wake = end;
    await sleep(environment, ms, early.signal);
    this.#wake = undefined;
    this.#end.signal.removeEventListener("abort", end);
  }

  #woken(): void {
    if (this.#wake) {
      this.options.environment.after(this.options.environment.random() * AFTER_WAKE_MS, () => this.#wake?.());
    } else if (this.#connection) {
      // A plan from before may be late by now.
      this.#planRenewal();
    }
  }

  /** Resolves once the user is in the room. */
  #ready(): Promise<void> {
    if (this.#connection) return Promise.resolve();
    if (this.isOver) return Promise.reject(RoompassError.ended());
    if (!this.#back) {
      let resolve!: () => void;
      let reject!: (error: RoompassError) => void;
      const promise = new Promise<void>((yes, no) => ([resolve, reject] = [yes, no]));
      this.#back = { promise, resolve, reject };
    }
    return this.#back.promise;
  }

  #finish(error = RoompassError.ended()): void {
    this.#end.abort();
    this.#connection = undefined;
    this.#place = undefined;
    this.#cancelRenewal();
    this.#stopWatchingWake();
    this.#credentials.abandon();
    this.#closeAbandoned();
    this.streams.end(error);
    this.roster.clear();
    this.#back?.reject(error);
    this.#back = undefined;
  }

  #throwIfOver(): void {
    if (this.isOver) throw RoompassError.ended();
  }

  get #at(): Server {
    return this.options.servers[this.#server]!;
  }

  #enterState(state: RoomState, error?: RoompassError): void {
    this.state = state;
    this.#tellState(this.roomId, state, error);
  }

  #tellState(roomId: string, reason: RoomState, error?: RoompassError): void {
    this.events.emit("roomStateChanged", {
      roomId,
      reason,
      errorCode: error?.number ?? (reason === "RECONNECTING" ? 1002051 : 0),
      code: error?.code ?? "ok",
      message: error?.message ?? "",
    });
  }
}

function asError(error: unknown): RoompassError {
  return error instanceof RoompassError ? error : RoompassError.network(error instanceof Error ? error.message : String(error));
}
