"""`python -m kgrag`."""

from kgrag.cli import main

if __name__ == "__main__":
    main()
