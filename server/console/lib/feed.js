// What happens in the rooms of an app, as it happens: the server is asked again and again, and answers when there is news.

import { useCallback, useEffect, useRef, useState } from "./view.js";
import { get, url } from "../api.js";
import { awake, isAwake } from "./awake.js";
import { useEvery } from "./every.js";

const WAIT_SECS = 8;
const KEPT = 200;
/** News of a busy app is taken in at most so often. */
const AT_MOST_EVERY_MS = 700;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 15_000;

/** Where there are other nodes, of which nothing is told, it is looked at again so often. */
const OTHERS_MS = 5000;

/**
 * In a component: `events` (the latest first), `state` (`starting`, `live`, `paused` or `away`), and whether that is all,
 * `isWhole`. `onNews` is called when something has happened, or may have. Only what happens from the first answer on is told.
 */
export function useFeed(appId, onNews) {
  const [events, setEvents] = useState([]);
  const [state, setState] = useState("starting");
  const [isWhole, setWhole] = useState(true);
  const news = useRef(onNews);
  news.current = onNews;
  useEffect(() => {
    const follower = follow(appId, {
      heard: (more) => setEvents((before) => [...more.toReversed(), ...before].slice(0, KEPT)),
      news: () => news.current(),
      state: setState,
      whole: setWhole,
    });
    return () => follower.stop();
  }, [appId]);
  useEvery(OTHERS_MS, useCallback(() => news.current(), []), !isWhole);
  return { events, state, isWhole };
}

function follow(appId, tell) {
  const stopped = new AbortController();
  const { signal } = stopped;
  const run = async () => {
    let last;
    let retry = FIRST_RETRY_MS;
    while (!signal.aborted) {
      if (!isAwake()) {
        tell.state("paused");
        await awake();
        continue;
      }
      try {
        const askedAt = Date.now();
        const answer = await get(url`/v1/apps/${appId}/feed`, { after: last, wait_secs: last === undefined ? undefined : WAIT_SECS }, { signal });
        tell.state("live");
        tell.whole(answer.is_whole);
        retry = FIRST_RETRY_MS;
        if (answer.events.length) tell.heard(answer.events);
        // What is shown was asked for before the first number was known.
        if (last === undefined || answer.missed || answer.events.length) tell.news();
        last = answer.last;
        // A server that is busy or stops answers at once, with nothing.
        if (Date.now() - askedAt < AT_MOST_EVERY_MS || answer.events.length || answer.missed) await pause(AT_MOST_EVERY_MS, signal);
      } catch (error) {
        if (signal.aborted || error.status === 401) return;
        tell.state("away");
        await pause(retry, signal);
        retry = Math.min(2 * retry, LAST_RETRY_MS);
      }
    }
  };
  run();
  return { stop: () => stopped.abort() };
}

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
