"""Questions put once, each with a command that writes its answer: `python -m declipper.training.studies.NAME`.

- cases, detection, alarms: how surely clip levels are found, and what is taken for clipping where there is none
- coded, soft, instruments, stereo, promises: kinds of recordings, and what the product promises for all of them
- memos: what becomes of a phone memo on its way
- lookahead, levers: what a short delay costs, and what each part of live restoring brings
- finetune: whether learning from clipped recordings helps on them
- bars: the plot of several of them
- paper: the experiments of Sechaud et al. on free data

Answers lie in results/ and paper/.
"""
