"""The command line.

- main: the group of commands, and how errors and Ctrl-C end a run; begin here
- live, train, plugin: one command each
- options: what several commands ask for in the same way
- targets: where results go, and what they must not replace
- console: progress, one-line messages and tables
- meters, keyboard: what `live` shows and listens to
"""
