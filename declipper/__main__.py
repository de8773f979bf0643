"""The program: `declipper`, `python -m declipper`, and what `torchrun -m declipper train` starts on each device.

Signals are answered before anything that is slow to load is loaded.
"""

from declipper.signals import interruptible, open_standard_streams


def main() -> None:
    """Entry point."""
    open_standard_streams()
    with interruptible():
        from declipper.commands.main import main as run

        run()


if __name__ == "__main__":
    main()
