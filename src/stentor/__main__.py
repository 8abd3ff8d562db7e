"""`python -m stentor` is the same as the command `stentor`."""

from stentor.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
