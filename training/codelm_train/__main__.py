"""``python -m codelm_train``."""

import sys

from codelm_train.cli import main

if __name__ == "__main__":
    sys.exit(main())
