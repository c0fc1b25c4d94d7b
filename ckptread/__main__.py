"""``python -m ckptread``."""

from ckptread.cli.startup import main

if __name__ == "__main__":
    main()
