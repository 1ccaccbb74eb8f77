// The API of this server, asked with the session of whoever is signed in. Knows no page.
//
// The session is a cookie that no script can read; what changes something also carries the session's token, which is
// kept in memory alone, and a name of its own, so that sending it twice does not do it twice.

import { heardClock } from "./lib/time.js";

let csrfToken = "";
let signedOut = () => {};
let proveAgain = async () => false;

/** Why a request failed: what the server said of it, or that it said nothing. */
export class ApiError extends Error {
  constructor({ status = 0, code = "unreachable", title, detail, field, request_id, retryAfter } = {}) {
    super(detail || title || "The server cannot be reached.");
    Object.assign(this, { status, code, title: title ?? "No answer", field, requestId: request_id, retryAfter });
  }
}

/** Takes in the session that requests are made with, or that there is none. */
export function useSessionToken(token) {
  csrfToken = token ?? "";
}

/** Says what to do when the session has ended, and how to have the admin prove themselves again. */
export function onSession({ ended, stale }) {
  signedOut = ended;
  proveAgain = stale;
}

/** A path with its values in their places: url`/v1/apps/${appId}`. */
export const url = (texts, ...values) => texts.reduce((path, text, at) => path + encodeURIComponent(values[at - 1]) + text);

export const get = (path, query, options) => request("GET", path, { query, ...options });
export const post = (path, body, options) => request("POST", path, { body, ...options });
export const put = (path, body, options) => request("PUT", path, { body, ...options });
export const patch = (path, body, options) => request("PATCH", path, { body, ...options });
export const remove = (path, options) => request("DELETE", path, options ?? {});

/** Asks the API; the body of the answer, or an `ApiError`. */
export async function request(method, path, { query, body, signal, quiet = false } = {}) {
  const changes = method !== "GET";
  const headers = { Accept: "application/json" };
  if (changes) {
    headers["Content-Type"] = "application/json";
    headers["Idempotency-Key"] = randomName();
  }
  const send = () => {
    if (changes && csrfToken) headers["X-Roompass-Csrf"] = csrfToken;
    const text = changes ? JSON.stringify(body ?? {}) : undefined;
    return answerTo(withQuery(path, query), { method, headers, body: text, signal });
  };
  try {
    return await send();
  } catch (error) {
    if (error.code === "stale_sign_in" && (await proveAgain())) return send();
    if (error.status === 401 && !quiet) signedOut();
    throw error;
  }
}

/** The bytes of an answer, for downloads. */
export async function download(path, query) {
  const response = await reach(withQuery(path, query), { headers: { Accept: "*/*" } });
  if (!response.ok) throw await failure(response);
  return response.blob();
}

async function answerTo(path, options) {
  const response = await reach(path, options);
  heardClock(response.headers.get("Roompass-Server-Time"));
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? null : response.json();
}

async function reach(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", cache: "no-store", redirect: "error", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError();
  }
}

async function failure(response) {
  const problem = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After")) || undefined;
  return new ApiError({ title: response.statusText, code: "unreadable", ...problem, status: response.status, retryAfter });
}

function withQuery(path, query) {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
}

/** 128 random bits in hexadecimal digits. */
function randomName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
