"""``python -m kubegrader.demo``: see :mod:`kubegrader.demo.app`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from kubegrader.demo.app import main
    except ImportError as error:
        # The message names the command that installs what is missing.
        sys.exit(f"kubegrader.demo: {error}")
    main()
