"""The learned detector: a network that tells clipped samples from others, its training and judgement.

- network: what it sees and how it is built
- pool: examples on disk, drawn by `declipper.training.histories`
- learn: trains it
- export: writes the file that `declipper.detection.network` reads
- gate: fits when a recording counts as clipped at all
- observe: what the detector says of a pool, beside the truth
- interpret: fits, and judges, the confidence and the history that `inspect` tells
- judge: what the mask that is found is worth in dB
- causal: what it would find and cost in live audio
- doubt: what samples that may have been clipped are best taken for

From nothing, with the corpora of `declipper.training.data.corpus` in CORPORA:

    python -m declipper.training.data.solo SOLOS --seconds 16 --takes 1 --seed 5
    python -m declipper.training.detection.pool CORPORA VALIDATION --split validation --solos SOLOS --seed 100 --count 512
    python -m declipper.training.detection.pool CORPORA POOL --solos SOLOS --seed 1 --count 10000
    python -m declipper.training.detection.learn POOL VALIDATION RUN --minutes 78
    python -m declipper.training.detection.export RUN/checkpoint.pt models/detector.onnx
    python -m declipper.training.detection.gate CORPORA models/detector.onnx --solos SOLOS
    for split in train validation test; do
        python -m declipper.training.detection.pool CORPORA TOLD/$split --split $split --solos SOLOS --seed 301 --frames 196608
    done
    python -m declipper.training.detection.interpret TOLD/train TOLD/validation --test TOLD/test
    python -m declipper.training.detection.judge CORPORA

The shipped detector was trained in two runs: 78 minutes on one core, then 34 more from there (`learn --start`) with more lightly clipped
and lossy histories. `training/results/detector.pt` and `detector.jsonl` are the averaged weights and the log of a third run of 75 minutes,
with more light clipping, struck notes, repeated samples and GSM: its loss is lower (0.0880 against 0.0908), but with it more chip music is
taken for clipped, so it is not shipped. It is where `learn --start` goes on, with more chip music among the negatives.
"""
