"""Recordings as files: read, written, never half.

- recording: reads a recording block by block; writes one under another name and moves it into place
- tags: carries tags and pictures over
- chunks: carries the chunks of WAV files over (broadcast extension, cues, labels)
- mpeg: what an MP3 stream is, which its name does not tell
- piped: audio from a pipe
"""
