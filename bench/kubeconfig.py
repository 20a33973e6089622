"""A kubeconfig, read for the bare client: address, authority, certificate, token."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API server is, and how one gets in."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    headers: dict[str, str]


def read(kubeconfig: str) -> Access:
    """Read the current context of a kubeconfig."""
    path = Path(kubeconfig)
    config = yaml.safe_load(path.read_text())
    context = _named(config, "contexts", config["current-context"])["context"]
    cluster = _named(config, "clusters", context["cluster"])["cluster"]
    user = _named(config, "users", context["user"]).get("user") or {}
    url = urlsplit(cluster["server"])
    headers = {"Authorization": f"Bearer {token}"} if (token := _token(user)) else {}
    tls = _context(path, cluster, user) if url.scheme == "https" else None
    port = url.port or (443 if tls else 80)
    return Access(url.hostname or "localhost", port, tls, headers)


def current(kubeconfig: str) -> str:
    """Name the current context."""
    name: str = yaml.safe_load(Path(kubeconfig).read_text())["current-context"]
    return name


def _named(config: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in config[kind] if one["name"] == name)
    return found


def _token(user: dict[str, Any]) -> str | None:
    if file := user.get("tokenFile"):
        return Path(file).read_text().strip()
    token: str | None = user.get("token")
    return token


def _data(path: Path, part: dict[str, Any], key: str) -> bytes | None:
    if encoded := part.get(f"{key}-data"):
        return base64.b64decode(encoded)
    return (path.parent / part[key]).read_bytes() if key in part else None


def _context(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = _data(path, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    # Verified as kubectl does: Python 3.13 refuses an authority without extensions that many lack.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate = _data(path, user, "client-certificate")
    key = _data(path, user, "client-key")
    if certificate and key:
        _load_certificate(context, certificate + b"\n" + key)
    return context


def _load_certificate(context: ssl.SSLContext, pem: bytes) -> None:
    # The ssl module reads certificates from files only.
    descriptor, name = tempfile.mkstemp()
    try:
        os.write(descriptor, pem)
        os.close(descriptor)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
