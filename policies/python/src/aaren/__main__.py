"""`python -m aaren` is the command `aaren`."""

from aaren._command import main

if __name__ == "__main__":
    main()
