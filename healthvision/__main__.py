"""``python -m healthvision`` is the command line."""

from healthvision.cli import main

main()
