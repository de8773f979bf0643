"""Train a model on clipped recordings and restore with it: python train.py RECORDINGS MODEL.onnx MINUTES."""

import sys
from pathlib import Path

import soundfile

from declipper import declip
from declipper.training.learning.command import Archive, Budget, Reports, Settings, Start, train

tapes, model, minutes = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

better = train(
    Archive((tapes,)),
    model,
    start=Start(),  # at the shipped model `fast`
    budget=Budget(minutes=minutes),
    settings=Settings(batch=4),
    reports=Reports(print),
)

song = sorted(tapes.rglob("*.wav"))[0]
audio, sample_rate = soundfile.read(song, always_2d=True)
restored = declip(audio, sample_rate, quality=model if better else "fast")
soundfile.write(song.with_suffix(".declipped.wav"), restored, sample_rate, subtype="FLOAT")
