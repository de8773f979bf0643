"""How good models and methods are.

- evaluate: every method and model on the test split
- baselines: what others use
- benchmark, cores, live_benchmark, archives: speed and memory; stages: where the time goes
- curve: draws the logs of training
"""
