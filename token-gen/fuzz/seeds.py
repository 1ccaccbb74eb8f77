"""Writes the seed corpus from the vectors: python3 token-gen/fuzz/seeds.py

One seed for each generator and format, small ones first: a fuzzer that starts from noise does not get past the
base64. The seeds are committed, so this runs only when the vectors change.
"""

import json
import pathlib
import shutil

HERE = pathlib.Path(__file__).parent
VECTORS = HERE.parent / "tests" / "vectors"


def write(target, name, text):
    folder = HERE / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode())


shutil.rmtree(HERE / "seeds", ignore_errors=True)
reference = json.loads((VECTORS / "reference-tokens.json").read_text())
reference.sort(key=lambda vector: len(vector["token"]))
ours = [v for v in reference if v["app_id"] == 1 and v["secret"].startswith("fa94dd0f")]
seen = set()
for vector in reference:
    kind = (vector["language"], vector["format"])
    if kind in seen or vector["language"] not in ("go", "java", "php", "nodejs", "uikit-web"):
        continue
    seen.add(kind)
    write("claims", "-".join(kind), vector["expect"]["plaintext"])
for vector in ours:
    kind = (vector["format"], vector["cipher"])
    if kind in seen:
        continue
    seen.add(kind)
    if vector["format"] == "kit":
        write("kit", "-".join(kind), vector["token"])
        write("kit", "info-" + vector["cipher"], vector["token"].split("#")[1])
    else:
        write("decode", "-".join(kind), vector["token"])
for vector in json.loads((VECTORS / "invalid-tokens.json").read_text()):
    target = "kit" if vector["format"] == "kit" else "decode"
    kind = (target, vector["expect"])
    if kind not in seen and 0 < len(vector["token"]) < 1000:
        seen.add(kind)
        write(target, "refused-" + vector["expect"], vector["token"])
write("claims", "payload", '{"room_id":"room1","privilege":{"1":1,"2":0},"stream_id_list":["s123"]}')
write("claims", "escapes", r'{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","b":[-1.5e+3,null,true,false,{}]}')
for index, (user, text) in enumerate([("alice", ""), ("u", "{}"), ("user_100423", "x" * 60)]):
    write("round_trip", f"request-{index}", "\0" * 40 + user + text + "\x07" * 24)
