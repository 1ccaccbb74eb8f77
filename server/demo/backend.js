// What an app's own backend would do: have tokens minted for whom it knows. Here it is the development server itself.

/** A token for the user; rejects with what the server said. */
export async function mint({ userId, roomId, rights, ttlSecs, streamIds }) {
  const response = await fetch("/demo/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      user_id: userId,
      room_id: roomId,
      ttl_secs: ttlSecs,
      privileges: rights === "listen" ? ["login"] : ["login", "publish"],
      ...(rights === "audio" ? { terms: { media: ["audio"] } } : {}),
      ...(rights === "listen" ? {} : { stream_ids: streamIds }),
    }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? body.title ?? `the server answered ${response.status}`);
  return body.token;
}

/** Ids are letters, digits and some signs: everything else in a name is left out, and chance keeps namesakes apart. */
export function userIdFor(name) {
  const plain = name.normalize("NFKD").replace(/[^A-Za-z0-9_-]/g, "").slice(0, 30) || "guest";
  const chance = crypto.getRandomValues(new Uint32Array(1))[0].toString(36).slice(0, 4);
  return `${plain}-${chance}`;
}
