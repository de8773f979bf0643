"""The experiments of Sechaud et al. on signal sets that are known exactly (section 5.2), and what learning from clipped signals needs.

- objectives: what is minimised, and the training loop of both studies
- directions: figures 5 and 6, one image at every amplitude
- subspaces: figure 7, how many dimensions can be learned when how much is clipped
"""
