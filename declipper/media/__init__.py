"""Containers that libsndfile does not read, through FFmpeg (PyAV): phone memos and the sound of videos, in and out.

- container: opens a file, and no other than that; which demuxers are trusted with it
- boxes: what FFmpeg does not tell of an MP4: its index, what is encrypted, how finely its edits are timed
- recording: reads one stream of sound, to the sample
- timeline: when each sample is heard
- formats: which containers and codecs are written
- encoder: codes the restored sound
- writer: copies everything else packet by packet, and puts the restored sound in its place

PyAV is loaded when the first such file is met.
"""
