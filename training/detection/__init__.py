"""The learned detector: a network that tells clipped samples from others, its training and judgement.

- network: what it sees and how it is built
- pool: examples on disk, drawn by `declipper.training.histories`
- learn: trains it
- export: writes the file that `declipper.detection.network` reads
- gate: fits when a recording counts as clipped at all
- plateaus: fits what tells exact plateaus from others
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
    for split in train validation test; do
        python -m declipper.training.detection.pool CORPORA TOLD/$split --split $split --solos SOLOS --seed 301 --frames 196608
    done
    python -m declipper.training.detection.gate CORPORA models/detector.onnx --solos SOLOS --pool TOLD/train --pool TOLD/validation
    python -m declipper.training.detection.plateaus CORPORA models/detector.onnx --solos SOLOS
    python -m declipper.training.detection.interpret TOLD/train TOLD/validation --test TOLD/test
    python -m declipper.training.detection.judge CORPORA

The shipped detector was trained in four runs, each of which went on from the one before (`learn --start`): 78 minutes on one core, 34 with
more lightly clipped and lossy histories, 75 with more light clipping, struck notes, repeated samples and GSM, and 57 at half the learning
rate with 11,800 examples more, each of them twice: 4,600 of which three quarters were synthesised (`pool --made 0.75`), 3,200 of chips
alone, and 4,000 mostly of voices, of which more than half were flattened first; without the clipped chips and squares of the older ones.
`training/results/detector.pt` and `detector.jsonl` are the averaged weights, where `learn --start` goes on, and the log of the last run; in
its first five lines the validation pool was another. TOLD had 2,880, 320 and 384 examples.

What is found least easily was rare in all this: of the last run's 44,000 examples 276 were clipped at 8 kHz and went through an automatic
gain control since. `pool --levelled` draws nothing but the like. The shipped detector has not learned from it: of a run that went on from
its weights, with 1,920 of them four times each among 17,280 others, the average after 18 of 45 minutes had a loss of 0.060 on others of
their kind, where that of the shipped one is 0.070, but 0.072 in place of 0.062 on VALIDATION. How much of either was left when its rate had
fallen was not seen.
"""
