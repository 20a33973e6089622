"""``python -m kubegrader``: see :mod:`kubegrader.app`."""

from __future__ import annotations

from kubegrader.app import main

if __name__ == "__main__":
    main()
