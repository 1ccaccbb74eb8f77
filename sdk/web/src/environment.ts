// Time, chance and the network, as the rest of the SDK takes them. Tests bring their own.

/** The part of `WebSocket` that is used. */
export interface Socket {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
}

/** What the SDK needs of its surroundings. */
export interface Environment {
  /** Milliseconds that only ever grow, and that count while the device sleeps. */
  now(): number;
  /** At least 0, below 1. */
  random(): number;
  /** Calls `then` after `ms`, unless the function returned is called first. */
  after(ms: number, then: () => void): () => void;
  /** Opens a WebSocket. */
  socket(url: string, protocol: string): Socket;
  /** Fetches over HTTP. */
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Calls `then` whenever the device seems to have woken up, or the network to have come back. */
  onWake(then: () => void): () => void;
}

/** How often to look whether the device has slept. */
const LOOK_EVERY_MS = 5_000;
/** A look that comes this much late means that it has. */
const SLEPT_MS = 10_000;
/** The longest wait that `setTimeout` takes: beyond it, it would not wait at all. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The browser. */
export function browser(): Environment {
  // Some browsers stop `performance.now()` during sleep; the date goes on. A date that is set forward by hand looks the
  // same, and only makes the SDK renew early.
  let slept = 0;
  let date = Date.now();
  let steady = performance.now();
  const now = (): number => {
    const [newDate, newSteady] = [Date.now(), performance.now()];
    slept += Math.max(0, newDate - date - (newSteady - steady) - 1_000);
    [date, steady] = [newDate, newSteady];
    return newSteady + slept;
  };
  return {
    now,
    random: () => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32,
    after(ms, then) {
      let timer: ReturnType<typeof setTimeout>;
      const end = now() + ms;
      const wait = (): void => {
        const left = end - now();
        timer = left > 0 ? setTimeout(wait, Math.min(left, LONGEST_TIMEOUT_MS)) : setTimeout(then, 0);
      };
      wait();
      return () => clearTimeout(timer);
    },
    socket: (url, protocol) => new WebSocket(url, protocol) as unknown as Socket,
    fetch: (url, init) => fetch(url, init),
    onWake(then) {
      let looked = now();
      const look = setInterval(() => {
        const late = now() - looked - LOOK_EVERY_MS;
        looked = now();
        if (late > SLEPT_MS) then();
      }, LOOK_EVERY_MS);
      const onVisible = (): void => {
        if (document.visibilityState === "visible") then();
      };
      const page = typeof document === "undefined" ? undefined : document;
      const scope = typeof addEventListener === "undefined" ? undefined : globalThis;
      page?.addEventListener("visibilitychange", onVisible);
      scope?.addEventListener("online", then);
      return () => {
        clearInterval(look);
        page?.removeEventListener("visibilitychange", onVisible);
        scope?.removeEventListener("online", then);
      };
    },
  };
}

/** Waits; `signal` ends the wait early. */
export function sleep(environment: Environment, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = environment.after(ms, done);
    function done(): void {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
