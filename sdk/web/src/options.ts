// Every knob, checked once.

import { browser, type Environment } from "./environment.js";
import { RoompassError } from "./errors.js";
import type { TokenProvider } from "./provider.js";
import { GATEWAY_PATH } from "./wire.js";

/** What a login proof is wanted for. Pass all of it to your backend. */
export interface LoginProofRequest {
  /** The server's origin, which the proof covers. */
  origin: string;
  appId: number;
  userId: string;
  roomId: string;
  /** In standard base64, good once. */
  challenge: string;
  /** In Unix seconds. */
  timestamp: number;
}

/** Options of `RoompassClient`. */
export interface ClientOptions {
  /** The app, 1 to 4294967295. */
  appId: number;
  /** The server's origin, such as `https://rtc.example.com`; several are tried in turn. */
  server: string | string[];
  /**
   * How users log in. `token_preferred` (unless set) sends a token, and a login proof beside it if there is
   * `loginProof`; `token_only` sends nothing else; `app_sign` sends the proof alone.
   */
  mode?: "token_preferred" | "token_only" | "app_sign";
  /** Asked for the first token, for a new one before the present one expires, and on the way back. */
  tokenProvider?: TokenProvider;
  /**
   * Asks the page's own backend, which holds the AppSign, for a login proof (standard base64). An AppSign must never be
   * in a page: everybody could read it.
   */
  loginProof?: (request: LoginProofRequest, signal: AbortSignal) => Promise<string>;
  /** How long to look for the way back after a loss, in ms. 5 minutes unless set. */
  reconnectForMs?: number;
  /** How long to wait for an answer, in ms. 10 s unless set. */
  requestTimeoutMs?: number;
  /** Whether media goes through the operator's TURN servers only, whatever shorter way there is. */
  relayOnly?: boolean;
  /** Time, chance and the network. The browser's unless set. */
  environment?: Environment;
}

/** One server, as it is addressed and as a proof names it. */
export interface Server {
  readonly socketUrl: string;
  readonly origin: string;
}

export interface Options {
  readonly appId: number;
  readonly servers: readonly Server[];
  readonly mode: "token_preferred" | "token_only" | "app_sign";
  readonly tokenProvider: TokenProvider | undefined;
  readonly loginProof: ClientOptions["loginProof"];
  readonly reconnectForMs: number;
  readonly requestTimeoutMs: number;
  readonly relayOnly: boolean;
  readonly environment: Environment;
}

/** Checks `options`, and fills in what is left out. */
export function check(options: ClientOptions): Options {
  if ("appSign" in options) {
    throw RoompassError.usage(
      "app_sign_in_page",
      "an AppSign must not be in a web page, where everybody can read it: use a tokenProvider, or have your backend make the proof (loginProof)",
    );
  }
  const { appId, mode = "token_preferred" } = options;
  if (!Number.isInteger(appId) || appId < 1 || appId > 0xffff_ffff) {
    throw RoompassError.usage("app_id_invalid", "appId is a whole number from 1 to 4294967295", 1001000);
  }
  if (!["token_preferred", "token_only", "app_sign"].includes(mode)) {
    throw RoompassError.usage("mode_invalid", "mode is token_preferred, token_only or app_sign");
  }
  if (mode === "app_sign" && !options.loginProof) {
    throw RoompassError.usage("app_sign_missing", "mode app_sign needs loginProof: your backend makes the proof", 1001003);
  }
  if (mode === "token_only" && options.loginProof) {
    throw RoompassError.usage("app_sign_refused", "mode token_only sends no login proof: leave loginProof out", 1002067);
  }
  const servers = [options.server].flat().map(readServer);
  if (servers.length === 0) throw RoompassError.usage("server_invalid", "name a server, such as https://rtc.example.com");
  return {
    appId,
    servers,
    mode,
    tokenProvider: options.tokenProvider,
    loginProof: options.loginProof,
    reconnectForMs: options.reconnectForMs ?? 5 * 60_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    relayOnly: options.relayOnly ?? false,
    environment: options.environment ?? browser(),
  };
}

function readServer(text: string): Server {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw RoompassError.usage("server_invalid", "a server is an address such as https://rtc.example.com");
  }
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  const loopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (!secure && !((url.protocol === "http:" || url.protocol === "ws:") && loopback)) {
    throw RoompassError.usage("server_invalid", "a server is reached by https; plain http is for this machine only");
  }
  if (url.search || url.hash || url.username || url.password || !["/", "", GATEWAY_PATH].includes(url.pathname)) {
    throw RoompassError.usage("server_invalid", "a server is an origin, without path, query or user");
  }
  return {
    socketUrl: `${secure ? "wss" : "ws"}://${url.host}${GATEWAY_PATH}`,
    origin: `${secure ? "https" : "http"}://${url.host}`,
  };
}
