"""The DAW plugin, seen from Python: put in place and tried out.

- install: puts plugins where hosts look for them
- doctor: runs installed plugins on a clipped tone
- clap, lv2: the least of a host for each format
"""
