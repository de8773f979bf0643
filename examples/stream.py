"""Restore NumPy arrays block by block, as they come, 80 ms later: python stream.py SONG RESTORED."""

import sys

import soundfile

from declipper import DeclipStream, Framing, LevelTracker, Session

song, restored = sys.argv[1:3]
session = Session("live")

with soundfile.SoundFile(song) as incoming:
    rate, channels = incoming.samplerate, incoming.channels
    framing = Framing.live(session.info, rate, delay=round(0.08 * rate))
    stream = DeclipStream(rate, channels, LevelTracker(rate, channels), session, framing=framing)
    with soundfile.SoundFile(restored, "w", rate, channels, "FLOAT") as outgoing:
        for block in incoming.blocks(512, dtype="float32", always_2d=True):  # or from a microphone, a socket, ...
            outgoing.write(stream.push(block))
        outgoing.write(stream.flush())
print(f"{stream.latency / rate * 1000:.0f} ms of latency")
