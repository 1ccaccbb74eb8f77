// Codes in plain words, for people.

import { say } from "./log.js";

const WORDS = {
  publish_denied: "The token does not let you publish this.",
  publish_token_expired: "Publishing needs a token that has not expired. Renew it, then try again.",
  play_token_expired: "Playing needs a token that has not expired. Renew it, then try again.",
  play_denied: "The token does not let you play this.",
  token_expired: "The token has expired.",
  token_revoked: "The token was revoked: somebody shut you out on purpose.",
  token_invalid: "The server does not take this token.",
  token_user_mismatch: "The token is somebody else's.",
  login_denied: "The token is not for this room.",
  room_full: "The room is full.",
  banned: "You are banned.",
  kicked: "You were removed from the room.",
  kicked_token_expired: "You were removed because your token expired.",
  kicked_by_other_login: "You came in from somewhere else; this one is closed.",
  kicked_stay_over: "You were removed: your time in this room is over.",
  room_closed: "The room was closed.",
  stream_forbidden: "The operator stopped this stream.",
  unreachable: "The server cannot be reached.",
  timeout: "The server did not answer in time.",
};

/** What to tell a person about an error, with its code for those who look it up. */
export function words(error) {
  return { text: WORDS[error.code] || error.message || "The server said no.", code: error.code ?? "" };
}

/** Says that `what` was refused, and why. */
export function refused(what, error) {
  const { text, code } = words(error);
  say(`${what}: refused. ${text}`, "refused", code);
}
