// Moments and lengths of time, by the server's clock, for people.

import { useEffect, useState } from "./view.js";

let offset = 0;

/** Takes in what the server's clock says, in Unix seconds. */
export function heardClock(serverTime) {
  const seconds = Number(serverTime);
  if (Number.isFinite(seconds) && seconds > 0) offset = seconds - Date.now() / 1000;
}

/** Now, by the server's clock, in Unix seconds. */
export const now = () => Math.floor(Date.now() / 1000 + offset);

/** Now, again every `everyMs`: for countdowns and "3 min ago". */
export function useNow(everyMs = 15_000) {
  const [moment, setMoment] = useState(now());
  useEffect(() => {
    const timer = setInterval(() => setMoment(now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return moment;
}

const UNITS = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];

/** A length of time in its two greatest units: `1 d 3 h`, `45 s`. */
export function duration(seconds) {
  let left = Math.max(0, Math.round(seconds));
  if (left === 0) return "0 s";
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** A length of time in one unit, for "… ago" and "in …". */
function about(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["s", 1];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** How long ago, or in how long. */
export function relative(at, moment) {
  const past = moment - at;
  if (Math.abs(past) < 5) return "now";
  return past > 0 ? `${about(past)} ago` : `in ${about(-past)}`;
}

const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const STAMP = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** What a field for date and time holds, in Unix seconds. */
export function secondsOf(text) {
  const at = text ? Math.floor(new Date(text).getTime() / 1000) : NaN;
  return Number.isFinite(at) ? at : undefined;
}

/** A moment as such a field holds it: where the reader is, to the minute. */
export function fieldOf(at) {
  const there = new Date(at * 1000);
  return new Date(there.getTime() - there.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** A moment, where the reader is. */
export const moment = (at) => SHORT.format(at * 1000);

/** The same in few letters and to the second, for lists. */
export const stamp = (at) => STAMP.format(at * 1000);

/** The same to the second, with the zone. */
export const exactMoment = (at) => LONG.format(at * 1000);
