"""What upstream's runs fail with."""

from __future__ import annotations

# Up to 0.4.0 an error before there is a log keeps the service from recording the failure.
LOST = "'(grading_failed|pending)' == 'automatically_graded'"
"""A good submission was not graded."""
