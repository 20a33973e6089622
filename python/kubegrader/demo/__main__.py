"""``python -m kubegrader.demo``: see :mod:`kubegrader.demo.app`."""

from __future__ import annotations

from kubegrader.demo.app import main

if __name__ == "__main__":
    main()
