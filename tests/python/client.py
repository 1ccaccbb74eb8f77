"""A client of the room gateway, written from sdk/wire/README.md alone; section numbers are of that page.

It knows nothing but that page: no code is shared with the server or the SDK."""

import base64
import hashlib
import hmac
import json
import socket
import time
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

DEADLINE_SECS = 20
ANSWERS = {"logged_in", "resumed", "ok", "token_renewed", "error"}


class Refused(Exception):
    """The server answered a request with `error`."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.reason = error.get("reason")
        self.number = error["number"]
        self.retryable = error["retryable"]


def origin_of(gateway_url):
    """The server's origin as the client addressed it (section 5)."""
    url = urlsplit(gateway_url)
    scheme, standard_port = {"wss": ("https", 443), "ws": ("http", 80)}[url.scheme]
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    port = "" if url.port in (None, standard_port) else f":{url.port}"
    return f"{scheme}://{host}{port}"


def app_sign_proof(app_sign, origin, app_id, user_id, room_id, challenge, timestamp):
    """The proof that the login of section 5 carries."""
    fields = [origin.encode(), str(app_id).encode(), user_id.encode(), room_id.encode(), challenge, str(timestamp).encode()]
    message = b"appsign-login-v1" + b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return base64.b64encode(hmac.digest(app_sign.encode("ascii"), message, hashlib.sha256)).decode("ascii")


class Client:
    """One connection: at most one stay of one user in one room."""

    def __init__(self, gateway_url, app_id, user_id, room_id):
        self.app_id, self.user_id, self.room_id = app_id, user_id, room_id
        self.origin = origin_of(gateway_url)
        self.events = []
        self.seq = 0
        self.mark = None
        self.last_id = 0
        self.socket = connect(gateway_url, subprotocols=["roompass.v1"], compression=None)
        self.hello = self._receive()
        self.hello_at = time.monotonic()
        self.challenge = self.hello["challenge"]
        assert self.hello["type"] == "hello" and self.hello["protocol"] == "roompass.v1", self.hello["type"]

    def login(self, token=None, app_sign=None):
        """Enters the room with a token, a proof of the AppSign, or both."""
        login = {"app_id": self.app_id, "user_id": self.user_id, "room_id": self.room_id, "sdk": "python-example/1.0"}
        if token is not None:
            login["token"] = token
        if app_sign is not None:
            login["app_sign_proof"] = self._proof(app_sign, self.room_id)
        return self._in_room(self.request("login", **login))

    def resume(self, lost):
        """Goes on with the session of a connection that broke: place, streams and rights are as they were (section 2)."""
        self.room_id, self.mark = lost.room_id, lost.mark
        resume = {"session_id": lost.session_id, "resume_key": lost.resume_key, "seq": lost.seq}
        if self.mark is not None:
            resume["mark"] = self.mark
        return self._in_room(self.request("resume", app_id=self.app_id, **resume))

    def switch_room(self, room_id, token=None, app_sign=None):
        """Leaves the room for another one, on this connection."""
        switch = {"from_room_id": self.room_id, "room_id": room_id}
        if token is not None:
            switch["token"] = token
        if app_sign is not None:
            switch["app_sign_proof"] = self._proof(app_sign, room_id)
        return self._in_room(self.request("switch_room", **switch))

    def _proof(self, app_sign, room_id):
        """Shows that this client has the AppSign: good once, on this connection, for this user and room."""
        timestamp = self.hello["server_time"] + int(time.monotonic() - self.hello_at)
        challenge = base64.b64decode(self.challenge, validate=True)
        proof = app_sign_proof(app_sign, self.origin, self.app_id, self.user_id, room_id, challenge, timestamp)
        return {"timestamp": timestamp, "proof": proof}

    def _in_room(self, answer):
        """Keeps what it takes to come back."""
        self.room_id, self.session_id, self.resume_key = answer["room_id"], answer["session_id"], answer["resume_key"]
        # Missed changes follow, unless the state is there instead.
        if answer["type"] == "logged_in" or "state" in answer:
            self.seq = answer["seq"]
        if answer["type"] == "logged_in":
            self.mark = answer.get("mark")
        # The one before is used up.
        self.challenge = answer.get("challenge", self.challenge)
        return answer

    def vanish(self):
        """Lets the connection break, without a word."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)
        self.socket.socket.close()

    def request(self, type, **members):
        """Sends a message and returns its answer; events that come first wait for `event`."""
        self.last_id += 1
        self.socket.send(json.dumps({"type": type, "id": self.last_id, **members}))
        while True:
            message = self._receive()
            if message["type"] not in ANSWERS:
                self.events.append(message)
                continue
            assert message["id"] == self.last_id, f"the answer is to request {message['id']}, not {self.last_id}"
            if message["type"] == "error":
                raise Refused(message)
            return message

    def event(self, type):
        """The next event of this type, passing over others."""
        while True:
            message = self.events.pop(0) if self.events else self._receive()
            self._count(message)
            if message["type"] == type:
                return message

    def logout(self):
        """Leaves the room, and returns the code that the server closes with (section 4)."""
        self.request("logout")
        return self.close_code()

    def close_code(self):
        """Waits for the server to close."""
        while True:
            try:
                self._receive()
            except ConnectionClosed as closed:
                return closed.rcvd.code

    def _count(self, message):
        """Every change of the room has the next number (section 3), and what is said a higher mark."""
        self.mark = message.get("mark", self.mark)
        if "seq" in message and not message.get("missed", False):
            assert message["seq"] == self.seq + 1, f"change {message['seq']} after {self.seq}"
            self.seq = message["seq"]

    def _receive(self):
        return json.loads(self.socket.recv(timeout=DEADLINE_SECS))
