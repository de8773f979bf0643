"""The command line.

- main: the group of commands, completion, and how errors and Ctrl-C end a run; begin here
- fix, inspect, report, live, serve, train, plugin: one command each, loaded when it is called
- archives: fix and inspect on folders
- options: what several commands ask for in the same way
- recordings: the recordings named, each in turn, where results go, and what they must not replace
"""
