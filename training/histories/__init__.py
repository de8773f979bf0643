"""What happens to recordings before and after they clip, simulated, with the truth carried along.

- recording: a signal and what it would be without the clipping, through every step
- stages: the steps: filters, resamplers, codecs, gains, noise, a second clip
- levelling: gains that follow the signal: automatic gain control, compressors, limiters
- lossy: codecs
- sources, synthetic: material: the corpora, and sounds made from numbers that fool detectors
- draw: random chains of steps
- trials: fixed ones, to measure on
"""
