"""The whole journey, in another language: run beside `roompass dev --json`, whose line comes on standard input.

Prints one line a promise kept; an exception ends it with exit code 1."""

import json
import sys
import urllib.request

try:
    import websockets  # noqa: F401
except ModuleNotFoundError:
    sys.exit("the Python package `websockets` is missing: pip install -r .ci/requirements.txt, or set ROOMPASS_PYTHON")

from client import Client, Refused, app_sign_proof


def kept(promise):
    print(promise, flush=True)


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"expected {wanted!r}, found {found!r}")


def refusal(action):
    try:
        action()
    except Refused as refused:
        return refused
    raise AssertionError("it was not refused")


class Backend:
    """What the app's backend does: has tokens minted."""

    def __init__(self, server):
        self.url = f"{server['url']}/v1/apps/{server['app_id']}/tokens"
        self.headers = {"Authorization": f"Bearer {server['backend_key']}", "Content-Type": "application/json"}

    def token(self, user_id, room_id, privileges=("login", "publish"), ttl_secs=600, terms=None):
        wanted = {"user_id": user_id, "room_id": room_id, "privileges": list(privileges), "ttl_secs": ttl_secs}
        if terms is not None:
            wanted["terms"] = terms
        request = urllib.request.Request(self.url, json.dumps(wanted).encode(), self.headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["token"]


def worked_example():
    proof = app_sign_proof(
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "https://rtc.example.com", 1234567890, "alice", "room1", bytes(range(32)), 1795440114,
    )
    expect(proof, "Bmso3RSLQDgJw765WkGKO3cushi09bbLL8kpvVfTTjY=")
    kept("the worked example of the page")


def journey(server):
    backend = Backend(server)

    def client(user_id, room_id="room1"):
        return Client(server["gateway_url"], server["app_id"], user_id, room_id)

    # A token of a few seconds: the warning comes in the middle of its life.
    short = backend.token("alice", "room1", ttl_secs=4)
    alice = client("alice")
    entered = alice.login(token=short)
    expect((entered["auth"], entered["privileges"]), ("token", ["login", "publish", "play"]))
    expect([user["user_id"] for user in entered["users"]], ["alice"])
    kept("login by token")

    warning = alice.event("token_will_expire")
    expect((warning["room_id"], warning["expire_at"]), ("room1", entered["expire_at"]))
    if not 0 < warning["remain_secs"] <= 2:
        raise AssertionError(f"{warning['remain_secs']} s are left")
    kept("warning before expiry")

    renewed = alice.request("renew_token", token=backend.token("alice", "room1"))
    if renewed["expire_at"] <= entered["expire_at"]:
        raise AssertionError("the new token does not last longer")
    kept("renewal")

    bob = client("bob")
    proven = bob.login(app_sign=server["app_sign"])
    expect((proven["auth"], "expire_at" in proven), ("app_sign", False))
    expect([user["user_id"] for user in proven["users"]], ["alice", "bob"])
    seen = alice.event("room_users")
    while seen["users"][0]["user_id"] != "bob":
        seen = alice.event("room_users")
    expect(seen["change"], "add")
    walker = client("walker", "hall1")
    walker.login(app_sign=server["app_sign"])
    for number in (2, 3):
        # Each with the challenge that came last.
        expect(walker.switch_room(f"hall{number}", app_sign=server["app_sign"])["auth"], "app_sign")
    walker.request("logout")
    kept("login by proof of the AppSign")

    expect(alice.request("publish", stream_id="alice-camera")["type"], "ok")
    streams = bob.event("room_streams")
    expect((streams["change"], streams["streams"]), ("add", [{"stream_id": "alice-camera", "user_id": "alice"}]))
    kept("publish")

    expect(bob.request("play", stream_id="alice-camera")["type"], "ok")
    expect(bob.request("stop_play", stream_id="alice-camera")["type"], "ok")
    kept("play")

    expect(bob.request("send_message", text="hello, everybody")["type"], "ok")
    said = alice.event("room_message")
    expect((said["user_id"], said["text"]), ("bob", "hello, everybody"))
    expect(alice.request("send_signal", user_ids=["bob"], text="offer")["type"], "ok")
    signal = bob.event("signal")
    expect((signal["user_id"], signal["text"]), ("alice", "offer"))
    expect(refusal(lambda: bob.request("send_signal", user_ids=["nobody"], text="x")).code, "user_not_in_room")
    expect(refusal(lambda: bob.request("send_message", text="x" * 4097)).code, "text_too_long")
    expect(bob.request("set_room_extra", key="topic", value="release")["type"], "ok")
    expect(alice.event("room_extra")["value"], "release")
    expect(bob.request("set_user_extra", extra="hand raised")["type"], "ok")
    expect(alice.event("user_extra")["extra"], "hand raised")
    kept("messages, signals and values")

    alice.vanish()
    expect(bob.request("send_message", text="are you there?")["type"], "ok")
    expect(bob.request("send_signal", user_ids=["alice"], text="still here")["type"], "ok")
    lost, alice = alice, client("alice")
    resumed = alice.resume(lost)
    alice.seq = lost.seq
    expect((resumed["session_id"], resumed["publishing"]), (lost.session_id, ["alice-camera"]))
    expect(alice.event("room_message")["text"], "are you there?")
    expect(alice.event("signal")["text"], "still here")
    expect(alice.seq, resumed["seq"])
    expect(refusal(lambda: client("alice").resume(lost)).code, "resume_refused")
    kept("resume")

    listener = client("carol")
    listener.login(token=backend.token("carol", "room1", privileges=["login"]))
    denied = refusal(lambda: listener.request("publish", stream_id="carol-camera"))
    expect((denied.code, denied.reason, denied.number), ("publish_denied", "publish", 1003025))
    again = refusal(lambda: bob.request("renew_token", token=backend.token("bob", "room1")))
    expect(again.code, "app_sign_session")
    kept("refusals inside the room")

    limited = backend.token("gina", "room1", terms={"play": False, "media": ["audio"], "single_use": True})
    gina = client("gina")
    entered = gina.login(token=limited)
    expect((entered["privileges"], entered["rights"]["media"]), (["login", "publish"], ["audio"]))
    expect(refusal(lambda: gina.request("play", stream_id="alice-camera")).reason, "play")
    expect(refusal(lambda: gina.request("publish", stream_id="gina-camera")).reason, "media")
    expect(gina.request("publish", stream_id="gina-voice", media=["audio"])["type"], "ok")
    expect(refusal(lambda: client("gina").login(token=limited)).code, "token_used")
    there = gina.switch_room("room2", backend.token("gina", "room2"))
    expect((there["room_id"], [user["user_id"] for user in there["users"]]), ("room2", ["gina"]))
    expect(gina.logout(), 1000)
    kept("terms of a token, and another room")

    for refused_login, code in [
        (lambda visitor: visitor.login(token=backend.token("dave", "room2")), "login_denied"),
        (lambda visitor: visitor.login(token=backend.token("erin", "room1")), "token_user_mismatch"),
        (lambda visitor: visitor.login(token="04nonsense"), "token_invalid"),
        (lambda visitor: visitor.login(app_sign="0" * 64), "app_sign_wrong"),
        (lambda visitor: visitor.login(), "token_missing"),
    ]:
        visitor = client("dave")
        expect(refusal(lambda: refused_login(visitor)).code, code)
        expect(visitor.close_code(), 4000)
    kept("refusals at the door")

    expect(alice.logout(), 1000)
    gone = bob.event("room_streams")
    while gone["streams"][0]["stream_id"] != "alice-camera":
        gone = bob.event("room_streams")
    expect((gone["change"], gone["reason"]), ("delete", "stopped"))
    left = bob.event("room_users")
    while left["users"][0]["user_id"] != "alice":
        left = bob.event("room_users")
    expect(left["users"][0]["user_id"], "alice")
    expect(bob.logout(), 1000)
    expect(listener.logout(), 1000)
    kept("logout")

    # Real seconds pass here: a token that is not renewed expires, and publishing with it is refused.
    frank = client("frank")
    frank.login(token=backend.token("frank", "room1", ttl_secs=4))
    frank.event("token_expired")
    expect(refusal(lambda: frank.request("publish", stream_id="frank-camera")).code, "publish_token_expired")
    frank.request("renew_token", token=backend.token("frank", "room1"))
    expect(frank.request("publish", stream_id="frank-camera")["type"], "ok")
    expect(frank.logout(), 1000)
    kept("expiry and return")


if __name__ == "__main__":
    worked_example()
    journey(json.loads(sys.stdin.readline()))
