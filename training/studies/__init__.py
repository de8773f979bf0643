"""Questions put once, each with a command that writes its answer: `python -m declipper.training.studies.NAME`.

- detection: how surely clip levels are found, and what is taken for clipping where there is none
- coded, soft, instruments, stereo, promises: kinds of recordings, and what the product promises for all of them
- memos: what becomes of a phone memo on its way
- live: what a short delay costs, and what each part of live restoring brings
- finetune: whether learning from clipped recordings helps on them; sounds: archives for it that nobody recorded
- bars: the plot of several of them
- objectives: what the experiments of Sechaud et al. minimise, and their training
- paper, synthetic, hdr, diffusion: those experiments on free audio, on signal sets that are known exactly, on images, and their rival

Answers lie in results/, and those on the claims of Sechaud et al. beside their code; README.md sums the latter up.
"""
