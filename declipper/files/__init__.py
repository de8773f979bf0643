"""Recordings as files: how they are read, and how they are written so that no file is ever half written.

- recording: reads a recording block by block
- writer: writes one under a hidden name and moves it into place when it is whole
- hidden: files that get their name when they are whole, and those that a killed program left
- formats: which container and sample type a file name stands for
- delivery: the checked order for one output file: where, in which format, with how much room for peaks
- libsndfile: what libsndfile is told, and what it says
- tags: carries tags and pictures over
- chunks: carries the chunks of WAV files over (broadcast extension, cues, labels)
- sizes: headers that tell a wrong length, and how much audio there is
- mpeg: what an MP3 stream is, which its name does not tell
- piped: audio from a pipe
"""
