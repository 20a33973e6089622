"""The rights that a service's account uses in the namespace of its pods.

manifests/role.yaml grants them all. What a missing one costs is what the core does without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_POLLED = "pods are read again and again instead of being watched"
_UNSEEN = (
    "another machine cannot find out that this service was killed, and leaves its pods as they are"
)


@dataclass(frozen=True)
class Right:
    """A verb on a kind of object."""

    verb: str
    resource: str
    """With its subresource, as in a Role: ``pods/log``."""
    cost: str
    """What happens without it."""
    level: Literal["error", "warning"] = "warning"
    group: str = ""
    """The API group; empty for the core's."""
    or_verb: str | None = None
    """Another verb that does as well."""

    def attributes(self, verb: str, namespace: str) -> dict[str, str]:
        """Give what an access review asks, for this verb or for the other one."""
        resource, _, subresource = self.resource.partition("/")
        return {
            "namespace": namespace,
            "verb": verb,
            "group": self.group,
            "resource": resource,
            "subresource": subresource,
        }


def _leases(verb: str, cost: str) -> Right:
    return Right(verb, "leases", cost, group="coordination.k8s.io")


RIGHTS = (
    Right("create", "pods", "nothing is graded", "error"),
    Right("get", "pods", "no end is told where the watch does not tell it", "error"),
    Right("delete", "pods", "no pod is stopped or removed", "error"),
    Right("get", "pods/log", "nobody reads what a pod printed", "error"),
    Right("list", "pods", f"{_POLLED}, and those of a killed service are not looked for"),
    Right("watch", "pods", _POLLED),
    Right(
        "patch",
        "pods",
        "two services may take the same pod of a third that died, and no run can be detached",
        or_verb="update",
    ),
    Right(
        "list",
        "events",
        "a volume that cannot be mounted is told as the cluster's fault, and a container that was "
        "killed for its probe as the student's",
    ),
    _leases("get", _UNSEEN),
    _leases("create", _UNSEEN),
    _leases("update", _UNSEEN),
    _leases("list", "the Lease of a process that was killed while it had no pods stays"),
    _leases("delete", "the Leases of processes that have ended stay"),
)
