"""The command `hwsim`, which is the same as `python -m hwsim`."""

from hwsim.interruption import end_at_once


def main() -> None:
    """Run the command line: Ctrl-C is seen to before anything else is loaded, and until the process ends."""
    end_at_once()
    from hwsim.cli import main as run

    run()


if __name__ == "__main__":
    main()
