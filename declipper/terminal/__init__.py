"""What a person sees of the program, and how it listens.

- console: one-line messages and tables
- progress: how far long work is, and how long it will still take
- meters, keyboard: what `live` shows and listens to
"""
