"""Damaged recordings and model files by the thousand: nothing may break, hang, eat the memory or spoil a sample.

    python -m tests.fuzz --seconds 60 --seed 1

Prints counts and causes; exits with 1 where something failed, and then says where the mutants that did are kept.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from itertools import chain
from pathlib import Path

from tests.conftest import write_model
from tests.fuzzing import job as work
from tests.fuzzing.harness import KINDS, Harness, as_they_are, mutants
from tests.fuzzing.models import MODEL_MUTATIONS
from tests.fuzzing.seeds import kept, recordings
from tests.fuzzing.worker import PATIENCE

CORPUS = Path(__file__).parent / "data" / "fuzz"
"""Small files that failed once."""


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Feeds damaged files to declipper and counts what happens.")
    parser.add_argument("--seconds", type=float, default=60, help="how long to go on")
    parser.add_argument("--mutants", type=int, default=sys.maxsize, help="how many to make at most")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers: the same mutants every time")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="ways to damage files")
    parser.add_argument("--through-shell", type=float, default=0.03, help="share of the mutants that go through the command line")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds of the processor that one mutant may take")
    parser.add_argument("--only-read", action="store_true", help="do not restore what is read; no models, and no command line")
    parser.add_argument("--keep", type=Path, help="folder for the mutants that fail")
    parser.add_argument("--out", type=Path, help="file for the counts, such as tests/fuzzing/results.md")
    arguments = parser.parse_args()
    keep = arguments.keep or Path(tempfile.mkdtemp(prefix="declipper-fuzz-failed-"))
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder) / "tiny.onnx", (1.0, 1.3)).read_bytes()
    seeds, once = recordings(), kept(CORPUS)
    recorded = [seed for seed in once if seed.suffix != ".onnx"]
    kinds, shell, attempt = arguments.kinds, arguments.through_shell, work.attempt
    if arguments.only_read:
        kinds, once, shell, attempt = [kind for kind in kinds if kind not in MODEL_MUTATIONS], recorded, 0.0, work.attempt_reading
    stream = mutants([*seeds, *recorded], model, seed=arguments.seed, kinds=kinds, through_shell=shell)
    with Harness(keep, attempt=attempt, patience=arguments.patience) as harness:
        findings = harness.run(chain(as_they_are([*seeds, *once], model), stream), seconds=arguments.seconds, most=arguments.mutants)
    print(findings.table())
    if arguments.out:
        call = f"python -m tests.fuzz {shlex.join(sys.argv[1:])}"
        arguments.out.write_text(f"# What became of damaged files\n\nMade by `{call}`.\n\n```\n{findings.table()}\n```\n")
    if findings.failures:
        print(f"{findings.failures} failures; the smallest mutants of each cause are in {keep}")
    elif arguments.keep is None:
        keep.rmdir()
    return 1 if findings.failures else 0


if __name__ == "__main__":
    sys.exit(main())
