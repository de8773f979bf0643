"""Restores a signal with a model, whole or block by block.

- stream: overlap-add streaming; begin here
- framing: how long windows are, and how much of past and future each of them sees
- memory: what a live stream remembers of its past
- experts: the sets of experts, whose estimates a model sees beside the signal
- recipes: how those estimates are made, from which methods with which values
- cross_channel: what a clipped channel has in common with another one
- work: how much work a recording is, and how much memory a worker takes for it
- session: reads a model file, refuses what it cannot run, and runs it
- model_file: looks a model file through before anything of it is run
- model_graph: how much a network asks for, found without running it
- protobuf: the format that model files are written in, read strictly
"""
