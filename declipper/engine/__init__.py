"""Restores a signal with a model, whole or block by block.

- stream: overlap-add streaming; begin here
- framing: how long windows are, and how much of past and future each of them sees
- experts: the estimates of exact methods that a model sees beside the signal
- cross_channel: what a clipped channel has in common with another one
- session: reads a model file, refuses what it cannot run, and runs it
"""
