"""Opens tokens minted by token-gen and seals them again, with nothing of its code: python3 check.py TOKENS.json

Written from the description of the format. Needs the package `cryptography`.
"""

import base64
import hashlib
import json
import struct
import sys
import urllib.parse

try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    sys.exit("the package `cryptography` is missing: pip install cryptography")


def strict_object(pairs):
    members = dict(pairs)
    assert len(members) == len(pairs), "a member occurs twice"
    return members


def parse(text):
    return json.loads(text, object_pairs_hook=strict_object)


def take(body, form):
    size = struct.calcsize(form)
    assert len(body) >= size, "the body ends early"
    return struct.unpack(form, body[:size])[0], body[size:]


def take_bytes(body):
    length, body = take(body, ">H")
    assert len(body) >= length, "the body ends early"
    return body[:length], body[length:]


def open_token(token, secret):
    version, encoded = token[:2], token[2:]
    body = base64.b64decode(encoded, validate=True)
    assert base64.b64encode(body).decode() == encoded, "the base64 is not canonical"
    expire, body = take(body, ">q")
    iv, body = take_bytes(body)
    content, tail = take_bytes(body)
    if tail == b"\x01":
        assert len(iv) == 12
        cipher, plaintext = "gcm", AESGCM(secret).decrypt(iv, content, None)
    else:
        assert tail == b"" and len(iv) == 16
        decryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()
        padded = decryptor.update(content) + decryptor.finalize()
        count = padded[-1]
        assert 1 <= count <= 16 and padded.endswith(bytes([count]) * count), "bad padding"
        cipher, plaintext = "cbc", padded[:-count]
    return version, cipher, expire, iv, plaintext


def seal_token(version, cipher, expire, iv, plaintext, secret):
    if cipher == "gcm":
        content, tail = AESGCM(secret).encrypt(iv, plaintext, None), b"\x01"
    else:
        count = 16 - len(plaintext) % 16
        encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
        content, tail = encryptor.update(plaintext + bytes([count]) * count) + encryptor.finalize(), b""
    body = struct.pack(">qH", expire, len(iv)) + iv + struct.pack(">H", len(content)) + content + tail
    return version + base64.b64encode(body).decode()


def expected_claims(vector, nonce):
    claims = {"app_id": vector["app_id"]}
    if vector["version"] == "03":
        claims["room_id"] = vector["room_id"]
        claims["user_id"] = vector["user_id"]
        claims["privilege"] = vector["privilege"]
        claims["create_time"] = vector["issued_at"]
        claims["expire_time"] = vector["expire_at"]
        claims["nonce"] = nonce
    else:
        claims["user_id"] = vector["user_id"]
        claims["nonce"] = nonce
        claims["ctime"] = vector["issued_at"]
        claims["expire"] = vector["expire_at"]
        claims["payload"] = vector["payload"]
    return claims


def check(vector):
    secret = vector["secret"].encode()
    assert len(secret) == 32
    version, cipher, expire, iv, plaintext = open_token(vector["token"], secret)
    assert (version, cipher, expire) == (vector["version"], vector["cipher"], vector["expire_at"])
    claims = parse(plaintext.decode("utf-8", "strict"))
    assert type(claims["nonce"]) is int and -(2**63) <= claims["nonce"] < 2**63
    expected = expected_claims(vector, claims["nonce"])
    assert claims == expected and list(claims) == list(expected), "claims or their order differ"
    # The very text of the public Python generator: no white space, nothing escaped that need not be.
    assert json.dumps(expected, separators=(",", ":"), ensure_ascii=False).encode() == plaintext
    assert seal_token(version, cipher, expire, iv, plaintext, secret) == vector["token"]
    digest = hashlib.sha256(vector["token"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode()[:22] == vector["token_id"]
    if "kit" in vector:
        token, info = vector["kit_token"].split("#")
        assert token == vector["token"]
        info = parse(base64.b64decode(info, validate=True).decode("latin-1"))
        assert list(info) == ["userID", "roomID", "userName", "appID"]
        assert (info["userID"], info["appID"]) == (vector["user_id"], vector["app_id"])
        assert info["roomID"] == vector["kit"]["room_id"]
        name = vector["kit"]["user_name"]
        assert info["userName"] == urllib.parse.quote(name, safe="-_.!~*'()")
        assert urllib.parse.unquote(info["userName"], errors="strict") == name
    return iv


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        vectors = json.load(file)
    ivs = set()
    for vector in vectors:
        try:
            ivs.add(check(vector))
        except Exception as error:
            sys.exit(f"{vector['id']}: {error!r}")
    assert len(ivs) == len(vectors), "an IV repeats"
    print(f"{len(vectors)} tokens opened, sealed again and equal")


main()
