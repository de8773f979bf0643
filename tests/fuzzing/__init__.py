"""Damages recordings and model files on purpose, and watches what the program does with them.

seeds: small sound recordings in every format; mutations, tags, models: ways to damage them; job: what is done with a mutant, and what
must hold then; worker: a process with limits that does it; shell: the same through the command line; harness: the loop, the counts.
"""
