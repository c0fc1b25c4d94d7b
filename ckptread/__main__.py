"""``python -m ckptread``."""

from ckptread.cli import main

if __name__ == "__main__":
    main()
