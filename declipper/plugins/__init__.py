"""The DAW plugin, seen from Python: put in place and tried out.

- install: copies plugins to where hosts look for them, lists and removes them
- doctor: tries installed plugins on clipped tones
- clap, lv2: a minimal host for each format, which `doctor` and the plugin's own tests use
"""
