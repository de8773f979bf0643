"""How models learn.

- losses: measurement consistency, equivariance to amplitude (Sechaud et al., eqs. 8 to 12) and supervised losses
- pretrain: supervised training of the shipped models
- fit: training on a user's own clipped recordings
- command: what `declipper train` does
"""
