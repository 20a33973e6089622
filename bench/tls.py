"""Lets every client verify as kubectl does.

Python 3.13 refuses a certificate authority without extensions that many clusters' authorities lack;
not every client can be told otherwise.
"""

from __future__ import annotations

import functools
import ssl
from typing import Any


def relax() -> None:
    """Take the strictness out of the contexts that this process will make."""
    ssl.create_default_context = _relaxed(ssl.create_default_context)
    try:
        from urllib3 import connection
        from urllib3.util import ssl_
    except ImportError:
        return
    module: Any
    for module in (ssl_, connection):
        make = module.create_urllib3_context
        module.create_urllib3_context = _relaxed(make)


def _relaxed(make: Any) -> Any:
    @functools.wraps(make)
    def relaxed(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context: ssl.SSLContext = make(*args, **kwargs)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    return relaxed
