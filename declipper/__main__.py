"""`python -m declipper`, and what `torchrun -m declipper train` starts on each device."""

from declipper.commands.main import main

main()
