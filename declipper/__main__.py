"""`python -m declipper`, and what `torchrun -m declipper train` starts on each device."""

from declipper.cli import main

main()
