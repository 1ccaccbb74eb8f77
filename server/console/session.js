// Who is signed in, and what they may do where. The server judges each request by itself: this only decides what to show.

import { get, onSession, post, useSessionToken } from "./api.js";
import { store, useStore } from "./lib/store.js";

/** `undefined` until the server has said, `null` if nobody is signed in. */
export const session = store(undefined);

const RANKS = { viewer: 1, admin: 2, owner: 3 };

/** Takes in a session that has begun or changed. */
export function begin(answer) {
  useSessionToken(answer?.csrf_token);
  session.set(answer);
}

/** Finds out who is signed in. */
export async function find() {
  try {
    begin(await get("/v1/admin/session", undefined, { quiet: true }));
  } catch (error) {
    if (error.status !== 401) throw error;
    begin(null);
  }
}

/** Ends the session. */
export async function signOut() {
  await post("/v1/admin/sign-out");
  begin(null);
}

/** Whether the admin has `role`: over all apps, or in one. */
export function can(role, appId, who = session.get()) {
  return rank(who?.roles, appId) >= RANKS[role];
}

/** The role over all apps, or in one; `undefined` if there is none. */
export function roleOf(roles, appId) {
  const found = rank(roles, appId);
  return Object.keys(RANKS).find((role) => RANKS[role] === found);
}

function rank(roles, appId) {
  const everywhere = RANKS[roles?.everywhere] ?? 0;
  return Math.max(everywhere, appId === undefined ? 0 : (RANKS[roles?.apps?.[appId]] ?? 0));
}

/** In a component: the session. */
export const useSession = () => useStore(session);

/** Has the page ask for password and code again; `ask` is a dialog that answers whether that was done. */
export function connect(ask) {
  onSession({ ended: () => session.get() && begin(null), stale: ask });
}
