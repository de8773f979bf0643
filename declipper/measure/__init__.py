"""Measures signals and reports on them.

- report: the clipping of a recording in numbers
- loudness: integrated loudness and true peak (ITU-R BS.1770), and a look-ahead limiter
- plot: pictures of clipping and restoration
"""
