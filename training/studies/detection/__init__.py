"""How surely clip levels are found, and what is taken for clipping where there is none.

- cases: kinds of clipping with their truth, and signals that could be taken to be clipped
- levels: what is found of known clipping: `python -m declipper.training.studies.detection.levels CORPUS`
- alarms: false alarms: `python -m declipper.training.studies.detection.alarms CORPUS`
- published: what is found in recordings that were clipped before they were published:
  `python -m declipper.training.studies.detection.published CORPUS LIST`
- crests: how flat the highest crests of a recording are, by which limited recordings are told from clipped ones
"""
