"""Worker processes: many cores for work that Python's lock keeps on one.

LAPACK's and NumPy's small calls hold the lock of the interpreter, so threads would hardly help. A worker is a process of its own, started
once, which is given one task after another. It never imports the script that started it, so that script needs no
`if __name__ == "__main__"`, and it is the same on every system.

Libraries do not keep what is promised here. In loky, as in `concurrent.futures`, the death of one worker fails the tasks of all; pebble
goes on with the others, but its workers import the script again, and end what is under way by SIGTERM, where ours have time to tidy up.

- pool: `pool`, an executor whose tasks run in worker processes, and what happens when one of them dies
- in_order: results of work that is done elsewhere, in the order in which it was given
- process: one worker process, as the process that started it sees it
- worker: what runs in it
- messages: how the two talk
- machine: how many cores and how much memory there are, control groups included
"""

from __future__ import annotations

from declipper.workers.pool import IN_PROCESS, Work, Workers, pool

__all__ = ["IN_PROCESS", "Work", "Workers", "pool"]
