"""``python -m ferkern.cli`` is ``ferkern``."""

from ferkern.cli import main

if __name__ == "__main__":
    main()
