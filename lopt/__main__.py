"""``python -m lopt``: see ``lopt.command_line``."""

from lopt.command_line import main

if __name__ == "__main__":
    main()
