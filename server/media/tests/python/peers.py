"""A publisher and a player on aiortc, which shares no code with the server. Offers go out and answers come in as lines
of JSON; at the end, one line says how many pictures and sounds were decoded."""

import asyncio
import json
import sys

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

ENOUGH = 25

# It offers no loopback address by itself, and here is no other network.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


async def negotiate(peer):
    await peer.setLocalDescription(await peer.createOffer())
    lines = [{"mid": line.mid, "kind": line.kind} for line in peer.getTransceivers()]
    print(json.dumps({"sdp": peer.localDescription.sdp, "lines": lines}), flush=True)
    answer = json.loads(await asyncio.to_thread(sys.stdin.readline))
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type="answer"))


async def count(track):
    for _ in range(ENOUGH):
        await track.recv()
    return ENOUGH


async def main():
    publisher, player = RTCPeerConnection(), RTCPeerConnection()
    tracks = []
    player.on("track", tracks.append)
    publisher.addTrack(AudioStreamTrack())
    publisher.addTrack(VideoStreamTrack())
    await negotiate(publisher)
    player.addTransceiver("audio", direction="recvonly")
    player.addTransceiver("video", direction="recvonly")
    await negotiate(player)
    decoded = await asyncio.gather(*(count(track) for track in tracks))
    print(json.dumps(dict(zip((track.kind for track in tracks), decoded))), flush=True)
    await publisher.close()
    await player.close()


asyncio.run(asyncio.wait_for(main(), 60))
