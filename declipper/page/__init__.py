"""A page to judge a restoration by: one HTML file to listen to, look at and choose from, without a network.

- pair: a recording and its restoration, read in step
- survey: both as wholes: gain, loudness
- damage: every clipped run, and what was put back there
- excerpts: what is on the page, as FLAC, and how it is matched in loudness
- words: the figures as sentences
- comparison: all of these together; begin here
- output: the HTML as files, and the index of an archive
- render: the HTML; its templates, scripts and style are in assets/, and with wavesurfer.js (BSD) in assets/vendor
"""
