"""WHIP and WHEP by aiortc, which shares no code with the server: run beside `roompass dev --json`, whose line comes on
standard input. Publishes and plays with nothing but HTTP requests and room tokens.

Prints one line a promise kept; an exception ends it with exit code 1."""

import asyncio
import json
import sys
import time
import urllib.error
import urllib.request

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from journey import Backend, expect, kept

ENOUGH = 25

# aioice offers no loopback address by itself, and here is no other network.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def send(method, url, body=b"", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body or None, headers, method=method), timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, json.load(refused)["code"]


class Edge:
    def __init__(self, server):
        self.url, self.rooms = server["url"], f"{server['url']}/v1/apps/{server['app_id']}/rooms"

    async def offer(self, peer, way, token):
        await peer.setLocalDescription(await peer.createOffer())
        return await asyncio.to_thread(
            send, "POST", f"{self.rooms}/room1/{way}/studio", peer.localDescription.sdp.encode(),
            Content_Type="application/sdp", Authorization=f"Bearer {token}",
        )

    async def connect(self, peer, way, token):
        status, headers, answer = await self.offer(peer, way, token)
        expect(status, 201)
        await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        return self.url + headers["Location"]


async def count(track):
    for _ in range(ENOUGH):
        await track.recv()
    return ENOUGH


def camera():
    peer = RTCPeerConnection()
    peer.addTrack(AudioStreamTrack())
    peer.addTrack(VideoStreamTrack())
    return peer


async def main(server):
    backend, edge = Backend(server), Edge(server)
    publisher, player, refused = camera(), RTCPeerConnection(), camera()
    tracks = []
    player.on("track", tracks.append)
    published = await edge.connect(publisher, "whip", backend.token("studio", "room1"))
    kept("WHIP publish with a room token")

    player.addTransceiver("audio", direction="recvonly")
    player.addTransceiver("video", direction="recvonly")
    played = await edge.connect(player, "whep", backend.token("viewer", "room1"))
    decoded = await asyncio.gather(*(count(track) for track in tracks))
    expect(dict(zip((track.kind for track in tracks), decoded)), {"audio": ENOUGH, "video": ENOUGH})
    kept("WHEP play, decoded")

    short = backend.token("late", "room1", ttl_secs=1)
    expect((await edge.offer(refused, "whip", "04" + "A" * 80))[0], 401)
    expect((await edge.offer(refused, "whip", backend.token("alice", "room1", privileges=["login"])))[::2], (403, "publish_denied"))
    expect((await edge.offer(refused, "whip", backend.token("alice", "room2")))[::2], (403, "login_denied"))
    while (await edge.offer(refused, "whep", short))[::2] != (401, "token_expired"):
        time.sleep(0.1)
    kept("401 and 403 for tokens that are wrong, expired or for something else")

    for made in (played, published):
        expect(send("DELETE", made)[0], 200)
    kept("DELETE ends it")
    for peer in (publisher, player, refused):
        await peer.close()


asyncio.run(asyncio.wait_for(main(json.loads(sys.stdin.readline())), 90))
