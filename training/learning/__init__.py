"""How models learn.

- loop: the training loop, the same for every objective (averaging, schedule, scores, checkpoints)
- checkpoint: where training stands, written and read
- pretrain: the supervised objective, by which the shipped models learned
- fit: the self-supervised objective, for a user's own clipped recordings
- validation: the re-clip score, which needs no truth
- losses: measurement consistency, equivariance to amplitude (Sechaud et al., eqs. 8 to 12) and supervised losses
- command: what `declipper train` does
"""
