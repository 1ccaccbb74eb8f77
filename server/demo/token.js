// The token's countdown: a ring, the seconds, and what it allows.

const element = (id) => document.getElementById(id);
let timer;

/** What follows from the expiry, by the rule that the server has told. */
const EXPIRED = {
  keep: "has expired: you stay, but cannot start anything new",
  stop_publish: "has expired: you stay, but your own streams have ended",
  kick: "has expired: you have to leave",
};
const EXPIRES = {
  keep: "will expire",
  stop_publish: "will expire, and your own streams end with it",
  kick: "will expire, and you have to leave then",
};

/** Shows the token of `call` from now on. */
export function startTokenView(call) {
  stopTokenView();
  let longest = 0;
  const show = () => {
    const { client } = call;
    const left = client.tokenLeftMs;
    if (left === undefined) return;
    longest = Math.max(longest, left);
    const seconds = Math.ceil(left / 1000);
    element("left").textContent = seconds >= 100 ? `${Math.floor(seconds / 60)} min` : `${seconds} s`;
    element("ring-left").style.strokeDashoffset = String(100 - (100 * left) / (longest || 1));
    element("ring").classList.toggle("over", left === 0);
    element("ring").classList.toggle("soon", left > 0 && (left < 10_000 || left < longest / 5));
    element("ring").setAttribute("aria-label", left === 0 ? "The token has expired" : `${seconds} seconds left`);
    const { privileges = [], rights = {} } = client.login ?? {};
    const rule = rights.on_expiry in EXPIRED ? rights.on_expiry : "keep";
    element("token-state").textContent = left === 0 ? EXPIRED[rule] : call.renews ? "will be renewed before it expires" : EXPIRES[rule];
    const media = rights.media ? ` (${rights.media.join(", ")})` : "";
    const streams = rights.publish_stream_ids?.length ? `: ${rights.publish_stream_ids.join(", ")}` : "";
    const lines = [];
    if (privileges.includes("publish")) lines.push(`publish${media}${streams}`);
    if (privileges.includes("play")) lines.push("play");
    element("token-rights").textContent = `It lets you ${lines.join("; ") || "be here"}.`;
  };
  call.client.on("tokenRenewed", () => {
    longest = 0;
    show();
  });
  show();
  timer = setInterval(show, 250);
}

export function stopTokenView() {
  clearInterval(timer);
}
