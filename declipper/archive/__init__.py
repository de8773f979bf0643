"""Whole archives: folders of recordings, on this machine or elsewhere, restored by many workers and gone on with where a run ended.

- folders: a folder on this machine: what is in it, and how results get into it
- stores: the same for folders elsewhere (S3, SFTP and the like), through fsspec
- addresses: which of the two a name means
- tree: which recordings are taken, and where the result of each goes
- manifest: the file in which each recording that is done gets a line, so that nothing is done twice
- plan: what is left to do
- job: the work on one recording, in whichever process it is done
- memory: given back between two recordings
- run: the loop over all of them, with a bounded number under way
- cluster: the workers of a dask cluster
- report: what a manifest says, in totals and as a table
"""
