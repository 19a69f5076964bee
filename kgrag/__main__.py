"""`python -m kgrag`."""

from kgrag.cli.main import main

if __name__ == "__main__":
    main()
