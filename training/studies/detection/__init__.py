"""How surely clip levels are found, and what is taken for clipping where there is none.

- cases: kinds of clipping with their truth, and signals that could be taken to be clipped
- levels: what is found of known clipping: `python -m declipper.training.studies.detection.levels CORPUS`
- alarms: false alarms, and what is found in really clipped recordings: `python -m declipper.training.studies.detection.alarms CORPUS`
"""
