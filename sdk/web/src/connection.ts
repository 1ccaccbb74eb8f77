// One WebSocket to the gateway: opened, greeted, asked, closed. Knows nothing of rooms.

import type { Environment, Socket } from "./environment.js";
import { RoompassError } from "./errors.js";
import { SUBPROTOCOL, type Answer, type Hello, type Notice, type ServerMessage } from "./wire.js";

/** How a connection ended. */
export interface Loss {
  /** The close code; 1006 where the connection broke. */
  readonly code: number;
  /** What the server said last, if it was that the connection is at fault. */
  readonly error: RoompassError | undefined;
}

interface Waiting {
  readonly onAnswer: ((answer: Answer) => void) | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: RoompassError) => void;
  readonly stopClock: () => void;
}

/** What a connection tells. */
export interface Listener {
  notice(notice: Notice): void;
  lost(loss: Loss): void;
}

/** A connection that the server has greeted. */
export class Connection {
  readonly #environment: Environment;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #listener: Listener | undefined;
  #unheard: Notice[] = [];
  #loss: Loss | undefined;
  #lastFault: RoompassError | undefined;

  private constructor(
    environment: Environment,
    socket: Socket,
    /** What the server said first. */
    readonly hello: Hello,
  ) {
    this.#environment = environment;
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#end(event.code);
  }

  /** Opens `url` and waits for the greeting, `limit` ms at most. */
  static open(environment: Environment, url: string, limit: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let socket: Socket;
      try {
        socket = environment.socket(url, SUBPROTOCOL);
      } catch {
        reject(RoompassError.usage("server_invalid", `${url} is no address of a WebSocket`));
        return;
      }
      const fail = (error: RoompassError): void => {
        stopClock();
        socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
        socket.close();
        reject(error);
      };
      const stopClock = environment.after(limit, () => fail(RoompassError.timeout("connecting", limit)));
      // Browsers do not tell why: no network, a wrong address, a refused origin all look alike.
      socket.onerror = () => fail(RoompassError.network("the server cannot be reached, or refused the connection"));
      socket.onclose = () => fail(RoompassError.network("the connection was closed before the greeting"));
      socket.onmessage = ({ data }) => {
        const hello = parse(data);
        if (hello?.type !== "hello") {
          fail(RoompassError.network("the server does not speak this protocol"));
          return;
        }
        stopClock();
        socket.onerror = null;
        resolve(new Connection(environment, socket, hello));
      };
    });
  }

  /** Tells `listener` what comes from now on, and first what has come already. */
  listen(listener: Listener): void {
    this.#listener = listener;
    for (const notice of this.#unheard.splice(0)) listener.notice(notice);
    if (this.#loss) listener.lost(this.#loss);
  }

  /**
   * Sends a request and waits for its answer, `limit` ms at most. `onAnswer` sees the answer before anything that came
   * after it is told.
   */
  request(message: { type: string } & Record<string, unknown>, limit: number, onAnswer?: (answer: Answer) => void): Promise<Answer> {
    if (this.#loss) return Promise.reject(RoompassError.network("the connection is lost"));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const stopClock = this.#environment.after(limit, () => {
        this.#waiting.delete(id);
        reject(RoompassError.timeout(`the answer to ${message.type}`, limit));
      });
      this.#waiting.set(id, { onAnswer, resolve, reject, stopClock });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  /** Leaves the room, if it is in one: a close frame does. */
  close(): void {
    this.abandon();
    this.#socket.close(1000);
  }

  /**
   * Stops listening without leaving the room. A browser cannot break a connection, and a close frame would leave; so the
   * socket stays open until the place was taken up elsewhere, and whoever calls this closes it then.
   */
  abandon(): void {
    this.#listener = undefined;
    this.#end(1006);
  }

  #receive(data: unknown): void {
    const message = parse(data);
    if (!message) return;
    switch (message.type) {
      case "hello":
        return;
      case "error": {
        const error = RoompassError.refused(message);
        if (message.id === undefined) this.#lastFault = error;
        else this.#answer(message.id, (waiting) => waiting.reject(error));
        return;
      }
      case "logged_in":
      case "resumed":
      case "token_renewed":
      case "media_answer":
      case "media_servers":
      case "ok":
        // The one before is used up.
        if (message.type === "logged_in") this.hello.challenge = message.challenge ?? this.hello.challenge;
        this.#answer(message.id, (waiting) => {
          waiting.onAnswer?.(message);
          waiting.resolve(message);
        });
        return;
      default:
        if (this.#listener) this.#listener.notice(message);
        else this.#unheard.push(message);
    }
  }

  #answer(id: number, give: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    waiting.stopClock();
    give(waiting);
  }

  #end(code: number): void {
    if (this.#loss) return;
    this.#loss = { code, error: this.#lastFault };
    for (const id of [...this.#waiting.keys()]) {
      this.#answer(id, (waiting) => waiting.reject(this.#lastFault ?? RoompassError.network("the connection was lost before the answer")));
    }
    this.#listener?.lost(this.#loss);
  }
}

/** A message of a server, or `undefined` for what is none. */
function parse(data: unknown): ServerMessage | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const message: unknown = JSON.parse(data);
    return typeof message === "object" && message !== null && "type" in message ? (message as ServerMessage) : undefined;
  } catch {
    return undefined;
  }
}
