// The rules that need no gateway.

import assert from "node:assert/strict";
import test from "node:test";

import { Backoff } from "../src/backoff.js";
import { httpProvider, RoompassClient, RoompassError, type ClientOptions } from "../src/index.js";
import { lead, LEAST_INTERVAL, Renewal } from "../src/renewal.js";
import { Roster } from "../src/roster.js";
import { readToken } from "../src/token.js";
import { ManualEnvironment, token } from "./gateway.js";

const usage = (code: string) => (error: unknown) => error instanceof RoompassError && error.kind === "usage" && error.code === code;

test("the lead is a fifth, at least thirty seconds, and never over half", () => {
  for (const [life, expected] of [[0, 0], [10, 5], [60, 30], [100, 30], [200, 40], [3600, 720]] as const) {
    assert.equal(lead(life * 1000), expected * 1000);
  }
});

test("five thousand equal tokens do not renew in the same second", () => {
  for (const left of [60, 100, 3600]) {
    const buckets = new Map<number, number>();
    for (let client = 0; client < 5000; client++) {
      const renewal = new Renewal();
      renewal.accepted(0, left * 1000, client / 5000);
      const second = Math.floor(renewal.dueAt! / 1000);
      buckets.set(second, (buckets.get(second) ?? 0) + 1);
    }
    const mean = 5000 / buckets.size;
    for (const count of buckets.values()) assert.ok(count <= 2 * mean, `${left}: ${count} of mean ${mean}`);
  }
});

test("ten minutes of failures are at most forty calls, and never a hot loop", () => {
  for (const chance of [0, 0.3, 1]) {
    const renewal = new Renewal();
    renewal.accepted(0, 60_000, 0);
    let [now, calls] = [renewal.dueAt!, 0];
    const end = now + 600_000;
    let least = Infinity;
    while (now < end) {
      calls++;
      renewal.begun();
      assert.equal(renewal.dueAt, undefined, "one call at a time");
      least = Math.min(least, renewal.failed(now, chance));
      now = renewal.dueAt!;
    }
    assert.ok(least >= 500);
    if (chance > 0) assert.ok(calls <= 60, `${calls}`);
  }
  const renewal = new Renewal();
  renewal.accepted(0, 0, 1);
  assert.equal(renewal.dueAt, LEAST_INTERVAL);
});

test("waits double up to their limit and start over after a success", () => {
  const waits = (backoff: Backoff) => Array.from({ length: 8 }, () => backoff.next(1) / 1000);
  const backoff = Backoff.forConnection();
  assert.deepEqual(waits(backoff), [1, 2, 4, 8, 16, 30, 30, 30]);
  backoff.reset();
  assert.equal(backoff.next(1), 1000);
  assert.deepEqual(waits(Backoff.forProvider()), [1, 2, 4, 8, 16, 32, 60, 60]);
});

test("a token's expiry is read from its head, a Kit Token's too", () => {
  assert.equal(readToken(token(1_795_440_112)).expireAt, 1_795_440_112);
  const kit = `${token(1_795_440_112)}#eyJhIjoxfQ==`;
  assert.equal(readToken(kit).text, token(1_795_440_112));
  for (const [text, code] of [["", "token_missing"], ["nonsense", "token_version"], ["04AA", "token_invalid"], ["04%%%%%%%%%%%%", "token_invalid"]] as const) {
    assert.throws(() => readToken(text), usage(code), text);
  }
});

test("options that cannot work are refused with their reason", () => {
  const good: ClientOptions = { appId: 1, server: "https://rtc.example.com" };
  new RoompassClient(good);
  new RoompassClient({ ...good, server: ["wss://a.example.com", "http://localhost:8080", "https://b.example.com/v1/gateway"] });
  const cases: [object, string][] = [
    [{ ...good, appSign: "00".repeat(32) }, "app_sign_in_page"],
    [{ ...good, appId: 0 }, "app_id_invalid"],
    [{ ...good, appId: 2 ** 32 }, "app_id_invalid"],
    [{ ...good, mode: "any" }, "mode_invalid"],
    [{ ...good, mode: "app_sign" }, "app_sign_missing"],
    [{ ...good, mode: "token_only", loginProof: async () => "" }, "app_sign_refused"],
    [{ ...good, server: [] }, "server_invalid"],
    [{ ...good, server: "rtc.example.com" }, "server_invalid"],
    [{ ...good, server: "http://rtc.example.com" }, "server_invalid"],
    [{ ...good, server: "https://rtc.example.com?token=x" }, "server_invalid"],
    [{ ...good, server: "https://me:secret@rtc.example.com" }, "server_invalid"],
  ];
  for (const [options, code] of cases) assert.throws(() => new RoompassClient(options as ClientOptions), usage(code), code);
});

test("calls outside a room and ids that cannot be are refused before anything is sent", async () => {
  const client = new RoompassClient({ appId: 1, server: "https://rtc.invalid", environment: new ManualEnvironment() });
  await client.logoutRoom();
  await assert.rejects(client.startPublishingStream("s"), usage("not_in_room"));
  await assert.rejects(client.renewToken(token(1)), usage("not_in_that_room"));
  await assert.rejects(client.startPublishingStream("a b"), usage("stream_id_invalid"));
  await assert.rejects(client.loginRoom("", { userId: "u" }), usage("room_id_invalid"));
  await assert.rejects(client.loginRoom("r", { userId: "ü" }), usage("user_id_invalid"));
  await assert.rejects(client.loginRoom("r", { userId: "u" }), usage("token_missing"));
});

test("the roster takes each change once and notices a gap", () => {
  const roster = new Roster();
  roster.replace({ seq: 4, users: [{ user_id: "a", user_name: "A" }], streams: [] });
  assert.equal(roster.judge(4), "known");
  assert.equal(roster.judge(6), "gap");
  assert.equal(roster.judge(5), "new");
  roster.apply({ type: "user_extra", room_id: "r", seq: 5, user_id: "a", extra: "hand" });
  assert.equal(roster.users.get("a")?.extra, "hand");
  assert.equal(roster.judge(6), "new");
  roster.apply({ type: "room_users", room_id: "r", seq: 6, change: "delete", users: [{ user_id: "a", user_name: "A" }] });
  assert.equal(roster.users.size, 0);
});

test("a backend is asked in the documented shape, and its answers are understood", async () => {
  const environment = new ManualEnvironment();
  const request = { appId: 7, userId: "alice", roomId: "a&b", cause: "renewal" } as const;
  const ask = (options?: Parameters<typeof httpProvider>[1]) => httpProvider("/token", options, environment)(request, new AbortController().signal);
  const answers: [number, string, unknown][] = [
    [200, '{"token":"04a"}', { token: "04a" }],
    [200, '{"kit_token":"04a#b","token":"04a"}', { token: "04a#b" }],
    [200, "{}", { retry: true }],
    [200, "not json", { retry: true }],
    [403, '{"detail":"not your room"}', { denied: "not your room" }],
    [401, "", { denied: "the backend answered 401" }],
    [500, "{}", { retry: true }],
    [429, "{}", { retry: true }],
  ];
  for (const [status, body, expected] of answers) {
    environment.answerFetch = () => new Response(body, { status });
    assert.deepEqual(await ask({ headers: async () => ({ Authorization: "Bearer x" }) }), expected);
  }
  const { url, init } = environment.fetched[0]!;
  assert.equal(url, "/token");
  assert.deepEqual(JSON.parse(String(init.body)), { app_id: 7, user_id: "alice", room_id: "a&b", cause: "renewal" });
  assert.equal((init.headers as Record<string, string>)["Authorization"], "Bearer x");
  await ask({ method: "GET" });
  assert.equal(environment.fetched.at(-1)!.url, "/token?app_id=7&user_id=alice&room_id=a%26b&cause=renewal");
});
