"""Questions about live restoring: `python -m declipper.training.studies.live.NAME`. Answers lie in results/ beside this package.

- lookahead: what a short delay costs
- levers: what each part of the methods brings, and costs
"""
