"""What a person sees of the program, and how it listens.

- console: progress, one-line messages and tables
- meters, keyboard: what `live` shows and listens to
"""
