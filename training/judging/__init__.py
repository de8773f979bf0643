"""How good models and methods are.

- score: the re-clip score, which needs no truth
- evaluate: every method and model on the test split
- baselines: what others use
- benchmark, live_benchmark: speed and memory
- curve: draws the logs of training
"""
