"""`python -m taskrunner` is the same as the `taskrunner` command."""

from taskrunner.cli.main import main

if __name__ == "__main__":
    main()
