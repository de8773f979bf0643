"""What models learn from.

- corpus: fetches free music and speech
- shelf: many recordings in one flat file, for random access
- solo: solo instruments played from random scores
- made: music and a voice made from numbers
- joined: short recordings of speech joined
- degrade: random clipped segments with their truth
- codec: through a lossy codec and back
- prepare: examples with the exact methods' estimates, worked out once
- archive: a user's own recordings
- batches: tensors with names, drawn ahead by a thread
"""
