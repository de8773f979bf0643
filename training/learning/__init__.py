"""How models learn.

- loop: the training loop, the same for every objective (averaging, schedule, scores, checkpoints)
- checkpoint: where training stands, written and read
- pretrain: the supervised objective, by which the shipped models learned
- adapt: the objective of fine-tuning on a user's own clipped recordings
- pairs: a segment as it was recorded and clipped further, with estimates worked out once, and a file of such pairs
- reclipping: how pairs are made from an archive, and how networks are scored on them
- dataset: the recordings of an archive, what is held back of them, and pairs drawn from them
- finetuning: prepares pairs, tries whether anything is gained, and trains for the rest of the time
- fit: the self-supervised objective of the paper, for random weights and clipped recordings alone
- losses: measurement consistency, equivariance to amplitude (Sechaud et al., eqs. 8 to 12) and supervised losses
- command: what `declipper train` does
"""
