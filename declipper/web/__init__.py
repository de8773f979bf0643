"""The program in a browser, on this machine: drop a recording, look at its levels, restore it, judge it, take it.

Whatever comes from the browser is believed as little as a recording is: names are shown and never used as paths, what is uploaded is
bounded and lies in a temporary folder under a name of ours, and the work on it is done by a process of its own.

- server: the server, from its start to its end
- front: the page that is served
- app: what is answered to which request
- guard: who may ask at all, and what browsers may do with the answers
- jobs: the recordings under way, each with its folder and its worker process, and how they end
- work: what the worker processes do
"""
