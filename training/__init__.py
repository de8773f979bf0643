"""Learning and measuring: everything that needs torch or corpora lives here and is never imported by `import declipper`.

- data: what models learn from
- model: the network, and model files
- learning: how models learn
- judging: how good models and methods are
- studies: questions put once
- recipe: from the corpora to a model, in one command
"""
