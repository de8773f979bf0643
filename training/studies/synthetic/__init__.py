"""The experiments of Sechaud et al. on signal sets that are known exactly (section 5.2), clipped at 1 either way.

- directions: figures 5 and 6, one image at every amplitude
- subspaces: figure 7, how many dimensions can be learned when how much is clipped
- offsets: the affine extension of eq. 11, which the paper names and does not try
"""
