"""Methods of signal processing that estimate what was cut off, each after a paper.

- autoregressive: interpolation by linear prediction (Janssen, Veldhuis, Vries 1986)
- ar_equations: its linear systems, for the error filter of a window and for the samples that are missing
- truncated_normal: normal distributions cut off at a level, and expectation propagation (Minka 2001; Cunningham et al. 2011)
- model_averaging: autoregressive models of several lengths, averaged by how sure each is (Bates, Granger 1969; Hoeting et al. 1999)
- social_sparsity: shrinkage of the spectrum by its neighbourhood (Siedenburg, Kowalski, Doerfler 2014)
- newest_sparsity: the same for a signal that is still coming, of which only the end is to be restored
- blas: keeps linear algebra in one thread for as long as they work
- spade: ever more partials until they agree with the recording (Kitic, Bertin, Gribonval 2015)
"""
