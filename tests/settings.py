"""What a site writes into its grader_service_config.py, for the tests' cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from traitlets.config import Config

if TYPE_CHECKING:
    from kubegrader.demo.site import Site


def settings_of(site: Site, kubeconfig: str, namespace: str) -> Config:
    """Settings with the site's folder as the volume, which is on the node itself."""
    config = Config()
    section = config.KubeAutogradeExecutor
    section.kubeconfig = kubeconfig
    section.namespace = namespace
    section.uid = os.getuid()
    section.volume = {"name": "data", "hostPath": {"path": str(site.directory)}}
    config.GraderPod.max_grading_time = 300
    return config
