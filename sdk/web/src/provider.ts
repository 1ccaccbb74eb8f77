// Where tokens come from: the hook that the app supplies, and the ready-made ones.

import type { Environment } from "./environment.js";
import { browser } from "./environment.js";

/** What a token is wanted for. */
export interface TokenRequest {
  appId: number;
  userId: string;
  roomId: string;
  /** To enter the room; before the present token expires; or to come back with a token that is too old or was refused. */
  cause: "first_login" | "renewal" | "relogin";
}

/** A provider's answer. */
export type TokenAnswer =
  /** The token, or a Kit Token. */
  | { token: string }
  /** No, and asking again will not help. The reason is shown to the app. */
  | { denied: string }
  /** Not now; the SDK asks again later. */
  | { retry: true };

/**
 * Fetches tokens from the app's own backend, which alone holds the server secret. The SDK asks for the first token, for
 * a new one before the present one expires, and before it logs in again with one that is too old. It has at most one
 * call under way for a room, gives each 10 s, and waits 0.5 to 60 s after a failure. A rejection counts as `retry`; a
 * plain string counts as the token.
 */
export type TokenProvider = (request: TokenRequest, signal: AbortSignal) => Promise<TokenAnswer | string>;

/** Options of {@link httpProvider}. */
export interface HttpProviderOptions {
  /** `POST` sends the request as JSON, `GET` puts it into the query. `POST` unless set. */
  method?: "GET" | "POST";
  /** Sent along, for example an Authorization header. A function is asked each time. */
  headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  /** Whether cookies go along. `same-origin` unless set. */
  credentials?: RequestCredentials;
}

/**
 * Asks the app's backend at `url`. It gets `app_id`, `user_id`, `room_id` and `cause`, and answers 200 with
 * `{"token":"04…"}` or `{"kit_token":"04…#…"}`. 400, 401, 403, 404 and 422 mean no for good, with the text of
 * `detail`, `message` or `error` as the reason; everything else is tried again.
 */
export function httpProvider(url: string, options: HttpProviderOptions = {}, environment: Pick<Environment, "fetch"> = browser()): TokenProvider {
  return async (request, signal) => {
    const fields = { app_id: request.appId, user_id: request.userId, room_id: request.roomId, cause: request.cause };
    const extra = typeof options.headers === "function" ? await options.headers() : options.headers;
    const init: RequestInit = { signal, credentials: options.credentials ?? "same-origin", cache: "no-store", redirect: "error" };
    let address = url;
    if (options.method === "GET") {
      const query = new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)]));
      address += (url.includes("?") ? "&" : "?") + query.toString();
      init.headers = { Accept: "application/json", ...extra };
    } else {
      init.method = "POST";
      init.headers = { Accept: "application/json", "Content-Type": "application/json", ...extra };
      init.body = JSON.stringify(fields);
    }
    const response = await environment.fetch(address, init);
    const body: unknown = await response.json().catch(() => undefined);
    const text = (name: string): string | undefined => {
      const value = typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
      return typeof value === "string" ? value : undefined;
    };
    if (response.ok) {
      const token = text("kit_token") ?? text("token");
      return token === undefined ? { retry: true } : { token };
    }
    if ([400, 401, 403, 404, 422].includes(response.status)) {
      return { denied: text("detail") ?? text("message") ?? text("error") ?? `the backend answered ${response.status}` };
    }
    return { retry: true };
  };
}
