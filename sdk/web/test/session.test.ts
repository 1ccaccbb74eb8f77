// A stay in a room against a scripted gateway, over real sockets, in time that the test moves.

import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";

import { RoompassClient, RoompassError, type ClientOptions, type RoompassEvents } from "../src/index.js";
import { Gateway, ManualEnvironment, START, token, until, type Message, type Peer } from "./gateway.js";

const HOUR = START + 3600;

interface World {
  gateway: Gateway;
  environment: ManualEnvironment;
  client: RoompassClient;
  /** What the app heard, as `event: gist`. */
  heard: string[];
}

async function world(t: TestContext, options: Partial<ClientOptions> = {}): Promise<World> {
  const gateway = await Gateway.start();
  const environment = new ManualEnvironment();
  const client = new RoompassClient({ appId: 7, server: gateway.origin, environment, ...options });
  const heard: string[] = [];
  const gist: { [Name in keyof RoompassEvents]: (event: RoompassEvents[Name]) => string } = {
    roomStateChanged: ({ reason, code }) => `${reason} ${code}`,
    roomUserUpdate: ({ updateType, users }) => `${updateType} ${users.map(({ userId }) => userId)}`,
    roomStreamUpdate: ({ updateType, streams }) => `${updateType} ${streams.map(({ streamId }) => streamId)}`,
    roomExtraInfoUpdate: ({ extra }) => `${extra.key}=${extra.value}`,
    userExtraInfoUpdate: ({ userId, extra }) => `${userId}=${extra}`,
    roomMessage: ({ userId, text }) => `${userId}: ${text}`,
    signal: ({ userId, text }) => `${userId}: ${text}`,
    messagesMissed: () => "",
    serverMessage: ({ text }) => text,
    privilegesChanged: ({ privileges }) => privileges.join(),
    tokenWillExpire: ({ remainTimeInSecond }) => `${remainTimeInSecond}`,
    tokenExpired: ({ expireAt }) => `${expireAt}`,
    tokenRenewed: ({ expireAt }) => `${expireAt}`,
    renewalFailed: ({ error, retryInMs }) => `${error.kind} ${retryInMs}`,
    publisherStateUpdate: ({ streamId, state, code }) => `${streamId} ${state} ${code}`,
    playerStateUpdate: ({ streamId, state, code }) => `${streamId} ${state} ${code}`,
  };
  for (const name of Object.keys(gist) as (keyof RoompassEvents)[]) {
    client.on(name, (event) => heard.push(`${name}: ${(gist[name] as (event: unknown) => string)(event)}`));
  }
  t.after(async () => {
    void client.logoutRoom();
    await gateway.stop();
  });
  return { gateway, environment, client, heard };
}

/** Enters room1 as alice with a token of an hour. */
async function enter({ gateway, client }: World, welcome: Record<string, unknown> = { expire_at: HOUR }): Promise<Peer> {
  const entering = client.loginRoom("room1", { userId: "alice" }, { token: token(HOUR) });
  const peer = await gateway.accept();
  peer.welcome(await peer.take("login"), welcome);
  await entering;
  return peer;
}

const isCode = (code: string) => (error: unknown) => error instanceof RoompassError && error.code === code;
const states = (heard: string[]) => heard.filter((line) => line.startsWith("roomState")).map((line) => line.split(": ")[1]);

test("a login shows the token, and the app hears who is there", async (t) => {
  const w = await world(t);
  const entering = w.client.loginRoom("room1", { userId: "alice", userName: "Alice" }, { token: `${token(HOUR)}#e30=` });
  const peer = await w.gateway.accept();
  const login = await peer.take("login");
  assert.deepEqual(login, {
    type: "login",
    id: 1,
    app_id: 7,
    user_id: "alice",
    user_name: "Alice",
    room_id: "room1",
    token: token(HOUR),
    sdk: "roompass-web/0.1.0",
  });
  peer.welcome(login, { expire_at: HOUR, streams: [{ stream_id: "s1", user_id: "bob" }], rights: { media: ["audio"] } });
  const result = await entering;
  assert.deepEqual(result.rights, { media: ["audio"] });
  assert.deepEqual(w.heard, [
    "roomStateChanged: LOGINING ok",
    "roomStateChanged: LOGINED ok",
    "roomUserUpdate: ADD alice",
    "roomStreamUpdate: ADD s1",
  ]);
  assert.equal(w.client.tokenLeftMs, 3_600_000);
  w.environment.advance(1_000);
  assert.equal(w.client.tokenLeftMs, 3_599_000);
});

test("changes that come in the same breath as the answer are told after it", async (t) => {
  const w = await world(t);
  const entering = w.client.loginRoom("room1", { userId: "alice" }, { token: token(HOUR) });
  const peer = await w.gateway.accept();
  peer.welcome(await peer.take("login"));
  peer.send(
    { type: "room_users", room_id: "room1", seq: 2, change: "add", users: [{ user_id: "bob", user_name: "Bob" }] },
    { type: "room_message", room_id: "room1", seq: 3, user_id: "bob", text: "hi", sent_at: START },
    { type: "something_new", room_id: "room1" },
    { type: "user_extra", room_id: "room1", seq: 4, user_id: "bob", extra: "hand" },
  );
  await entering;
  await until(() => w.heard.length === 6);
  assert.deepEqual(w.heard.slice(2), ["roomUserUpdate: ADD alice", "roomUserUpdate: ADD bob", "roomMessage: bob: hi", "userExtraInfoUpdate: bob=hand"]);
});

test("a refused login is told with the server's code, and the next one may succeed", async (t) => {
  const w = await world(t);
  const entering = w.client.loginRoom("room1", { userId: "alice" }, { token: token(HOUR) });
  const peer = await w.gateway.accept();
  peer.refuse(await peer.take("login"), "login_denied", { number: 1002033, reason: "room" });
  await assert.rejects(entering, (error: RoompassError) => isCode("login_denied")(error) && error.reason === "room" && error.number === 1002033);
  assert.deepEqual(states(w.heard), ["LOGINING ok", "LOGIN_FAILED login_denied"]);
  await enter(w);
});

test("the provider is asked for the first token, and again when the server turns it down", async (t) => {
  const causes: string[] = [];
  const w = await world(t, {
    tokenProvider: async ({ cause }) => {
      causes.push(cause);
      return { token: token(HOUR, `t${causes.length}`) };
    },
  });
  const entering = w.client.loginRoom("room1", { userId: "alice" }, { token: token(START + 1800, "old") });
  const first = await w.gateway.accept();
  first.refuse(await first.take("login"), "token_revoked");
  const second = await w.gateway.accept();
  const login = await second.take("login");
  assert.equal(login["token"], token(HOUR, "t1"));
  // A fresh one that is turned down too is the end of it.
  second.refuse(login, "token_invalid");
  await assert.rejects(entering, isCode("token_invalid"));
  assert.deepEqual(causes, ["first_login"]);
});

test("a provider that says no is believed", async (t) => {
  const w = await world(t, { tokenProvider: async () => ({ denied: "not today" }) });
  await assert.rejects(w.client.loginRoom("room1", { userId: "alice" }), (error: RoompassError) => error.kind === "denied" && error.message === "not today");
});

test("a provider that hangs, throws or gives nonsense is a fault of its own, and nothing weaker is tried", async (t) => {
  for (const [provider, advance] of [
    [() => new Promise<never>(() => {}), 10_000],
    [() => { throw new Error("hook"); }, 0],
    [async () => ({ token: "nonsense" }), 0],
    [async () => undefined as never, 0],
    [async () => ({ retry: true }) as const, 0],
  ] as const) {
    const w = await world(t, { tokenProvider: provider });
    const failed = assert.rejects(w.client.loginRoom("room1", { userId: "alice" }), (error: RoompassError) => error.kind === "provider" && error.retryable);
    await new Promise(setImmediate);
    w.environment.advance(advance);
    await failed;
  }
});

test("a token is renewed by itself before its end, and the warning brings a late plan forward", async (t) => {
  let calls = 0;
  const w = await world(t, { tokenProvider: async () => token(HOUR + 3600, `n${++calls}`) });
  const peer = await enter(w);
  w.environment.advance(2_879_000);
  assert.equal(calls, 0);
  w.environment.advance(1_000);
  const renew = await peer.take("renew_token");
  assert.equal(renew["token"], token(HOUR + 3600, "n1"));
  const at = START + 2880;
  peer.send({ type: "token_renewed", id: renew.id, expire_at: HOUR + 3600, server_time: at, privileges: ["login"] });
  await until(() => w.heard.includes(`tokenRenewed: ${HOUR + 3600}`));
  assert.deepEqual(w.client.login?.privileges, ["login"]);
  // The server says that much less is left than the plan knew.
  peer.send({ type: "token_will_expire", room_id: "room1", remain_secs: 30, expire_at: at + 30, server_time: at });
  await until(() => w.environment.nextTimer === 0);
  w.environment.advance(0);
  await peer.take("renew_token");
});

test("renewals that fail wait longer and longer, and a no for good ends them", async (t) => {
  let answer: "retry" | "denied" = "retry";
  let calls = 0;
  const w = await world(t, {
    tokenProvider: async () => {
      calls++;
      return answer === "retry" ? { retry: true } : { denied: "enough" };
    },
  });
  w.environment.chance = 1;
  await enter(w);
  w.environment.advance(3_060_000);
  for (const wait of [1000, 2000, 4000]) {
    await until(() => w.heard.at(-1) === `renewalFailed: provider ${wait}`);
    w.environment.advance(wait);
  }
  await until(() => w.heard.at(-1) === "renewalFailed: provider 8000");
  answer = "denied";
  w.environment.advance(8000);
  await until(() => w.heard.at(-1) === "renewalFailed: denied undefined");
  const before = calls;
  w.environment.advance(600_000);
  await new Promise(setImmediate);
  assert.equal(calls, before);
});

test("without a provider the app is warned, renews, and hears of the expiry", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  peer.send({ type: "token_will_expire", room_id: "room1", remain_secs: 30, expire_at: HOUR, server_time: HOUR - 30 });
  await until(() => w.heard.at(-1) === "tokenWillExpire: 30");
  const refused = w.client.renewToken(token(HOUR + 60, "x"));
  peer.refuse(await peer.take("renew_token"), "token_invalid");
  await assert.rejects(refused, isCode("token_invalid"));
  peer.send({ type: "token_expired", room_id: "room1", expire_at: HOUR });
  await until(() => w.heard.at(-1) === `tokenExpired: ${HOUR}`);
  const renewing = w.client.renewToken(token(HOUR + 60));
  const renew = await peer.take("renew_token");
  peer.send({ type: "token_renewed", id: renew.id, expire_at: HOUR + 60, server_time: HOUR, privileges: ["login", "publish"] });
  await renewing;
  assert.equal(w.client.tokenLeftMs, 60_000);
});

test("streams are published and played, refused and stopped, with the field's states", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  const publishing = w.client.startPublishingStream("mine", { media: ["audio"], extra: "front" });
  const publish = await peer.take("publish");
  assert.deepEqual([publish["stream_id"], publish["media"], publish["extra"]], ["mine", ["audio"], "front"]);
  peer.ok(publish);
  await publishing;
  await assert.rejects(w.client.startPublishingStream("mine"), isCode("already_publishing"));
  const denied = w.client.startPublishingStream("other");
  peer.refuse(await peer.take("publish"), "publish_denied", { number: 1003025 });
  await assert.rejects(denied, isCode("publish_denied"));
  const playing = w.client.startPlayingStream("late");
  peer.ok(await peer.take("play"));
  await playing;
  peer.send({ type: "room_streams", room_id: "room1", seq: 2, change: "add", streams: [{ stream_id: "late", user_id: "bob" }] });
  await until(() => w.heard.at(-1) === "playerStateUpdate: late PLAYING ok");
  peer.send({ type: "publish_stopped", stream_id: "mine", code: "publish_token_expired", number: 1003072 });
  await until(() => w.heard.at(-1) === "publisherStateUpdate: mine NO_PUBLISH publish_token_expired");
  const stopping = w.client.stopPlayingStream("late");
  peer.ok(await peer.take("stop_play"));
  await stopping;
  assert.deepEqual(w.heard.filter((line) => line.startsWith("publisher")), [
    "publisherStateUpdate: mine PUBLISH_REQUESTING ok",
    "publisherStateUpdate: mine PUBLISHING ok",
    "publisherStateUpdate: other PUBLISH_REQUESTING ok",
    "publisherStateUpdate: other NO_PUBLISH publish_denied",
    "publisherStateUpdate: mine NO_PUBLISH publish_token_expired",
  ]);
  assert.deepEqual([w.client.publishing, w.client.playing], [[], []]);
});

/** Brings the client back on a new connection. */
async function back(w: World): Promise<Peer> {
  await until(() => w.client.roomState === "RECONNECTING");
  await until(() => w.environment.nextTimer !== undefined);
  w.environment.advance(1_000);
  return w.gateway.accept();
}

const RESUMED = {
  type: "resumed",
  session_id: "session",
  room_id: "room1",
  room_session_id: "1",
  resume_key: "key-2",
  resume_within_secs: 90,
  privileges: ["login", "publish"],
  expire_at: HOUR,
  server_time: START + 5,
  publishing: [],
  playing: [],
};

test("a lost connection is resumed: same place, missed changes, streams as they were", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  const publishing = w.client.startPublishingStream("mine");
  peer.ok(await peer.take("publish"));
  await publishing;
  peer.break();
  const again = await back(w);
  const resume = await again.take("resume");
  assert.deepEqual([resume["session_id"], resume["resume_key"], resume["seq"]], ["session", "key-1", 1]);
  again.send(
    { ...RESUMED, id: resume.id, seq: 2, publishing: ["mine"] },
    { type: "room_users", room_id: "room1", seq: 2, change: "add", users: [{ user_id: "bob", user_name: "Bob" }] },
  );
  await until(() => w.heard.at(-1) === "roomUserUpdate: ADD bob");
  assert.deepEqual(states(w.heard), ["LOGINING ok", "LOGINED ok", "RECONNECTING ok", "RECONNECTED ok"]);
  assert.deepEqual(w.client.publishing, ["mine"]);
  // The next loss is resumed with the new key.
  again.break();
  const third = await back(w);
  assert.equal((await third.take("resume"))["resume_key"], "key-2");
});

test("on another node, what was said meanwhile is heard once, and what is lost is told", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  const said = (seq: number, mark: number, text: string, missed = false) => ({
    ...{ type: "room_message", room_id: "room1", seq, user_id: "bob", text, sent_at: START, mark },
    ...(missed ? { missed } : {}),
  });
  const heard: string[] = [];
  w.client.on("roomMessage", ({ text }) => heard.push(text));
  w.client.on("signal", ({ text }) => heard.push(text));
  w.client.on("messagesMissed", () => heard.push("some missed"));
  peer.send(said(2, 12, "one"));
  await until(() => heard.length === 1);
  peer.break();
  const again = await back(w);
  const resume = await again.take("resume");
  assert.deepEqual([resume["seq"], resume["mark"]], [2, 12]);
  const state = { users: [{ user_id: "alice", user_name: "alice" }], streams: [] };
  again.send(
    { ...RESUMED, id: resume.id, seq: 7, messages_missed: true, state },
    said(7, 12, "one", true),
    said(7, 15, "two", true),
    { type: "signal", room_id: "room1", user_id: "bob", text: "a signal", sent_at: START, mark: 16 },
    said(8, 17, "three"),
  );
  await until(() => heard.at(-1) === "three");
  assert.deepEqual(heard, ["one", "some missed", "two", "a signal", "three"]);
  again.break();
  const third = await back(w);
  const next = await third.take("resume");
  assert.deepEqual([next["seq"], next["mark"]], [8, 17]);
});

test("where the place is gone the client logs in anew, and starts its streams again", async (t) => {
  const w = await world(t);
  const peer = await enter(w, { expire_at: HOUR, streams: [{ stream_id: "theirs", user_id: "bob" }] });
  for (const start of [() => w.client.startPublishingStream("mine"), () => w.client.startPlayingStream("theirs")]) {
    const starting = start();
    const request = await until(() => peer.received.length > 0).then(() => peer.received.shift()!);
    peer.ok(request);
    await starting;
  }
  peer.break();
  const again = await back(w);
  again.refuse(await again.take("resume"), "resume_refused");
  again.welcome(await again.take("login"), { expire_at: HOUR, seq: 9 });
  again.ok(await again.take("publish"));
  const play = await again.take("play");
  again.refuse(play, "play_denied", { number: 1004025 });
  await until(() => w.heard.at(-1) === "playerStateUpdate: theirs NO_PLAY play_denied");
  // What the app hears is the difference.
  assert.ok(w.heard.includes("roomStreamUpdate: DELETE theirs"));
  assert.equal(w.heard.filter((line) => line === "roomUserUpdate: ADD alice").length, 1);
});

test("what is asked for while there is no connection waits for the next", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  peer.break();
  await until(() => w.client.roomState === "RECONNECTING");
  const saying = w.client.sendRoomMessage("hello");
  const again = await back(w);
  again.send({ ...RESUMED, id: (await again.take("resume")).id, seq: 1 });
  const message = await again.take("send_message");
  assert.equal(message["text"], "hello");
  again.ok(message);
  await saying;
});

test("after the kept time the client does not try to resume, and renews before it logs in", async (t) => {
  const causes: string[] = [];
  const w = await world(t, {
    reconnectForMs: 24 * 3_600_000,
    tokenProvider: async ({ cause }) => {
      causes.push(cause);
      return token(HOUR + 7200, "fresh");
    },
  });
  const peer = await enter(w);
  peer.break();
  await until(() => w.client.roomState === "RECONNECTING");
  // The device sleeps for most of the token's life.
  w.gateway.serverTime = START + 3400;
  w.environment.wake(3_400_000);
  w.environment.advance(500);
  const again = await w.gateway.accept();
  assert.equal((await again.take("login"))["token"], token(HOUR + 7200, "fresh"));
  assert.deepEqual(causes, ["relogin"]);
});

test("a gap in the numbers is closed by resuming, and the old socket is closed after it", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  peer.send({ type: "room_users", room_id: "room1", seq: 5, change: "add", users: [{ user_id: "bob", user_name: "Bob" }] });
  const again = await back(w);
  assert.equal(peer.closed, false);
  const resume = await again.take("resume");
  assert.equal(resume["seq"], 1);
  again.send({ ...RESUMED, id: resume.id, seq: 5, state: { users: [{ user_id: "alice", user_name: "A" }, { user_id: "bob", user_name: "B" }], streams: [] } });
  await peer.gone();
  assert.deepEqual(w.client.users.map(({ userId }) => userId), ["alice", "bob"]);
});

test("a server that is about to stop is left at a moment of its time, without leaving the room", async (t) => {
  const w = await world(t);
  w.environment.chance = 0.5;
  const peer = await enter(w);
  peer.send({ type: "reconnect", within_secs: 30 });
  await until(() => w.environment.nextTimer === 15_000);
  w.environment.advance(14_999);
  assert.equal(w.client.roomState, "LOGINED");
  w.environment.advance(1);
  const again = await back(w);
  again.send({ ...RESUMED, id: (await again.take("resume")).id, seq: 1 });
  await peer.gone();
});

test("who is kicked stays away, with the reason", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  peer.send({ type: "kicked", room_id: "room1", code: "kicked", number: 1002055, message: "Removed.", reason: "be nice", may_reconnect: false });
  peer.socket.close(4001, "kicked");
  await until(() => w.client.roomState === "KICKOUT");
  assert.equal(states(w.heard).at(-1), "KICKOUT kicked");
  await assert.rejects(w.client.renewToken(token(HOUR)), isCode("not_in_that_room"));
  assert.equal(w.environment.nextTimer, undefined);
});

test("who is kicked because the server stops comes back by login", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  peer.send({ type: "kicked", room_id: "room1", code: "kicked_internal", number: 1002057, message: "Stopping.", may_reconnect: true });
  peer.socket.close(4100, "kicked_internal");
  const again = await back(w);
  await again.take("login");
});

test("a close code below 4100 ends the stay", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  peer.socket.close(4002, "logged_in_elsewhere");
  await until(() => w.client.roomState === "RECONNECT_FAILED");
  assert.equal(w.environment.nextTimer, undefined);
});

test("the way back is given up after its time, and at a refusal that stays", async (t) => {
  const w = await world(t, { reconnectForMs: 20_000 });
  w.environment.chance = 1;
  const peer = await enter(w);
  peer.break();
  const again = await back(w);
  again.refuse(await again.take("resume"), "logged_in_elsewhere", { number: 1002086 });
  await until(() => w.client.roomState === "RECONNECT_FAILED");
  assert.equal(states(w.heard).at(-1), "RECONNECT_FAILED logged_in_elsewhere");

  const peer2 = await enter(w);
  peer2.break();
  await until(() => w.client.roomState === "RECONNECTING");
  for (const wait of [1000, 2000, 4000, 8000]) {
    await until(() => w.environment.nextTimer === wait);
    w.environment.advance(wait);
    (await w.gateway.accept()).break();
  }
  await until(() => w.environment.nextTimer === 16_000);
  w.environment.advance(16_000);
  await until(() => w.client.roomState === "RECONNECT_FAILED");
});

test("another server is tried where one cannot be reached", async (t) => {
  const dead = await Gateway.start();
  await dead.stop();
  const gateway = await Gateway.start();
  t.after(() => gateway.stop());
  const client = new RoompassClient({ appId: 7, server: ["http://127.0.0.1:9", gateway.origin], environment: new ManualEnvironment() });
  const entering = client.loginRoom("room1", { userId: "alice" }, { token: token(HOUR) });
  const peer = await gateway.accept();
  peer.welcome(await peer.take("login"));
  await entering;
});

test("a room is switched on the same connection, with a token for it", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  const publishing = w.client.startPublishingStream("mine");
  peer.ok(await peer.take("publish"));
  await publishing;
  await assert.rejects(w.client.switchRoom("room1", "room2"), isCode("token_missing"));
  await assert.rejects(w.client.switchRoom("room3", "room2"), isCode("not_in_that_room"));
  const switching = w.client.switchRoom("room1", "room2", { token: token(HOUR, "two") });
  const request = await peer.take("switch_room");
  assert.deepEqual([request["from_room_id"], request["room_id"], request["token"]], ["room1", "room2", token(HOUR, "two")]);
  peer.welcome(request, { seq: 4, users: [{ user_id: "alice", user_name: "Alice" }, { user_id: "carol", user_name: "C" }] });
  assert.equal((await switching).roomId, "room2");
  assert.deepEqual(states(w.heard).slice(2), ["LOGOUT ok", "LOGINING ok", "LOGINED ok"]);
  assert.ok(w.heard.includes("publisherStateUpdate: mine NO_PUBLISH ok"));
  // Refused once the old room was left: the user is in neither.
  const failing = w.client.switchRoom("room2", "room9", { token: token(HOUR, "nine") });
  peer.refuse(await peer.take("switch_room"), "room_full");
  peer.socket.close(4000, "room_full");
  await assert.rejects(failing, isCode("room_full"));
  await until(() => w.client.roomState === "LOGIN_FAILED");
});

test("a login proof is made by the page's backend, for exactly this login", async (t) => {
  let asked: unknown;
  const w = await world(t, {
    mode: "app_sign",
    loginProof: async (request) => {
      asked = request;
      return "cHJvb2Y=";
    },
  });
  const entering = w.client.loginRoom("room1", { userId: "alice" });
  const peer = await w.gateway.accept();
  const login = await peer.take("login");
  assert.deepEqual(login["app_sign_proof"], { timestamp: START, proof: "cHJvb2Y=" });
  assert.deepEqual(asked, { origin: w.gateway.origin, appId: 7, userId: "alice", roomId: "room1", challenge: "AAEC", timestamp: START });
  peer.welcome(login, { auth: "app_sign", challenge: "BAUG" });
  await entering;
  await assert.rejects(w.client.renewToken(token(HOUR)), isCode("app_sign_session"));
  const switching = w.client.switchRoom("room1", "room2");
  const request = await peer.take("switch_room");
  assert.deepEqual(asked, { origin: w.gateway.origin, appId: 7, userId: "alice", roomId: "room2", challenge: "BAUG", timestamp: START });
  peer.welcome(request, { auth: "app_sign", room_id: "room2" });
  await switching;
});

test("logging out says so, ends what waits, and leaves nothing running", async (t) => {
  const w = await world(t);
  const peer = await enter(w);
  const unanswered = w.client.sendRoomMessage("into the void");
  await peer.take("send_message");
  const leaving = w.client.logoutRoom();
  peer.ok(await peer.take("logout"));
  await leaving;
  await assert.rejects(unanswered);
  await peer.gone();
  assert.equal(w.client.roomState, "LOGOUT");
  assert.equal(w.environment.nextTimer, undefined);
  assert.deepEqual(w.client.users, []);
});

test("logging out while the login is under way leaves no session behind", async (t) => {
  const w = await world(t);
  const entering = w.client.loginRoom("room1", { userId: "alice" }, { token: token(HOUR) });
  const peer = await w.gateway.accept();
  const login: Message = await peer.take("login");
  const leaving = w.client.logoutRoom();
  peer.welcome(login);
  await assert.rejects(entering, isCode("not_in_room"));
  await leaving;
  await peer.gone();
  assert.deepEqual(states(w.heard), ["LOGINING ok", "LOGOUT ok"]);
});

test("no token stands in anything that is printed", async (t) => {
  const w = await world(t);
  const entering = w.client.loginRoom("room1", { userId: "alice" }, { token: token(HOUR, "verysecretpart") });
  const peer = await w.gateway.accept();
  peer.refuse(await peer.take("login"), "token_invalid");
  const error = await entering.then(() => undefined, (error: unknown) => error);
  assert.ok(!String((error as Error).stack).includes(token(HOUR, "verysecretpart").slice(14)));
});
