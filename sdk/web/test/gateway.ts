// A gateway for tests: real sockets, and a script instead of rules. And an environment whose time the test moves.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";

import type { Environment, Socket } from "../src/index.js";

export type Message = Record<string, unknown> & { type: string; id?: number };

/** When every test begins, by the server's clock. */
export const START = 1_795_440_000;

/** Time that stands still until it is moved; chance that is always the same. */
export class ManualEnvironment implements Environment {
  chance = 0;
  #now = 0;
  #timers: { at: number; then: () => void }[] = [];
  #wakers = new Set<() => void>();
  /** Requests made over HTTP. */
  readonly fetched: { url: string; init: RequestInit }[] = [];
  answerFetch: () => Response = () => new Response("{}", { status: 500 });

  now = (): number => this.#now;
  random = (): number => this.chance;
  after = (ms: number, then: () => void): (() => void) => {
    const timer = { at: this.#now + ms, then };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
  };
  socket = (url: string, protocol: string): Socket => new WebSocket(url, protocol) as unknown as Socket;
  fetch = (url: string, init: RequestInit): Promise<Response> => {
    this.fetched.push({ url, init });
    return Promise.resolve(this.answerFetch());
  };
  onWake = (then: () => void): (() => void) => {
    this.#wakers.add(then);
    return () => this.#wakers.delete(then);
  };

  /** Moves the time, timer by timer. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.then();
    }
    this.#now = end;
  }

  /** The device slept for `ms`. */
  wake(ms: number): void {
    this.#now += ms;
    for (const then of this.#wakers) then();
  }

  /** How long until the next timer, in ms. */
  get nextTimer(): number | undefined {
    const [next] = this.#timers.sort((a, b) => a.at - b.at);
    return next && next.at - this.#now;
  }
}

/** One connection of a client. */
export class Peer {
  readonly received: Message[] = [];
  readonly #waiting: (() => void)[] = [];
  closed = false;

  constructor(readonly socket: WebSocket) {
    socket.on("message", (data) => {
      this.received.push(JSON.parse(String(data)) as Message);
      this.#waiting.splice(0).forEach((wake) => wake());
    });
    socket.on("close", () => {
      this.closed = true;
      this.#waiting.splice(0).forEach((wake) => wake());
    });
  }

  /** The next message of the client that was not taken yet. */
  async take(type: string): Promise<Message> {
    await until(() => this.received.length > 0 || this.closed, this.#waiting);
    const message = this.received.shift();
    if (message?.type !== type) throw new Error(`expected ${type}, came ${JSON.stringify(message)}`);
    return message;
  }

  send(...messages: Record<string, unknown>[]): void {
    for (const message of messages) this.socket.send(JSON.stringify(message));
  }

  ok(to: Message): void {
    this.send({ type: "ok", id: to.id });
  }

  refuse(to: Message, code: string, more: Record<string, unknown> = {}): void {
    this.send({ type: "error", id: to.id, code, number: 0, message: code, retryable: false, ...more });
  }

  /** Answers a login. */
  welcome(to: Message, more: Record<string, unknown> = {}): void {
    this.send({
      type: "logged_in",
      id: to.id,
      session_id: "session",
      room_id: to["room_id"],
      user_id: to["user_id"] ?? "alice",
      auth: "token",
      privileges: ["login", "publish", "play"],
      resume_key: "key-1",
      resume_within_secs: 90,
      server_time: START,
      room_session_id: "1",
      seq: 1,
      users: [{ user_id: "alice", user_name: "Alice" }],
      streams: [],
      ...more,
    });
  }

  /** Breaks the connection, without a close frame. */
  break(): void {
    this.socket.terminate();
  }

  async gone(): Promise<void> {
    await until(() => this.closed, this.#waiting);
  }
}

export class Gateway {
  readonly #server: WebSocketServer;
  readonly #peers: Peer[] = [];
  readonly #waiting: (() => void)[] = [];
  serverTime = START;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on("connection", (socket) => {
      const peer = new Peer(socket);
      peer.send({ type: "hello", protocol: "roompass.v1", challenge: "AAEC", server_time: this.serverTime, login_timeout_secs: 10 });
      this.#peers.push(peer);
      this.#waiting.splice(0).forEach((wake) => wake());
    });
  }

  static async start(): Promise<Gateway> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/v1/gateway", handleProtocols: () => "roompass.v1" });
    await once(server, "listening");
    return new Gateway(server);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next client that connects. */
  async accept(): Promise<Peer> {
    await until(() => this.#peers.length > 0, this.#waiting);
    return this.#peers.shift()!;
  }

  async stop(): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Waits for a state, for 5 s at most. Without `waiting`, looks again after each turn of the event loop. */
export async function until(state: () => boolean, waiting?: (() => void)[]): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!state()) {
    if (Date.now() > deadline) throw new Error(`still not: ${state}`);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waiting ? 100 : 1);
      waiting?.push(() => (clearTimeout(timer), resolve()));
    });
  }
}

/** The text of a token that seems to expire then. Nothing in it is sealed: clients read only its head. */
export function token(expireAt: number, name = "t"): string {
  const head = Buffer.alloc(9);
  head.writeBigInt64BE(BigInt(expireAt));
  return `04${head.toString("base64")}${Buffer.from(name).toString("base64")}`;
}
