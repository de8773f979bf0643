"""The DAW plugin, seen from Python: put in place and tried out.

- install: copies plugins to where hosts look for them, lists and removes them
- own_model: puts a model of the user's own where the plugin looks, and takes it away
- flat: a model's network as the file that the plugin runs
- constants: the numbers that the plugin's core shares with Python
- doctor: tries installed plugins on clipped tones
- clap, lv2: a minimal host for each format, which `doctor` and the plugin's own tests use
"""
