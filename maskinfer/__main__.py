"""``python -m maskinfer``."""

from maskinfer.cli import main

if __name__ == "__main__":
    main(prog_name="maskinfer")
