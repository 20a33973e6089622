"""How a kubeconfig is found and used: as kubectl does, and nothing secret of it is told."""

from __future__ import annotations

import json
import os
import re
import socket
import socketserver
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import kubegrader
import pytest
import yaml
from pods import script, until

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "AKIAs3cr3t"  # noqa: S105
EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}


def written(path: Path, server: str, user: dict[str, Any], **cluster: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


def refused(kubeconfig: str) -> str:
    cluster = kubegrader.Cluster(kubeconfig=kubeconfig)
    with pytest.raises(kubegrader.ConfigError) as error:
        cluster.run(script("busybox", "true"))
    assert SECRET not in str(error.value)
    assert SECRET not in repr(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        (
            {"command": "false", "env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": SECRET}]},
            'the credential plugin "false" failed (exit status: 1)',
        ),
        (
            {"command": "sh", "args": ["-c", f"echo {SECRET} >&2; exit 3"]},
            'the credential plugin "sh" failed (exit status: 3)',
        ),
        (
            {"command": "echo", "args": [f'WARNING: old: {{"token": "{SECRET}"}}']},
            'what the credential plugin "echo" prints is no ExecCredential',
        ),
        (
            {"command": "echo", "args": [f'{{"status": {{"token": ["{SECRET}"]}}}}']},
            'what the credential plugin "echo" prints is no ExecCredential',
        ),
        (
            {"command": "/no/such/plugin", "env": [{"name": "TOKEN", "value": SECRET}]},
            'the credential plugin "/no/such/plugin" does not start: No such file or directory',
        ),
    ],
)
def test_a_credential_plugin_that_fails_is_named_without_its_environment_arguments_and_output(
    tmp_path: Path, plugin: dict[str, Any], told: str
) -> None:
    user = {"exec": {**EXEC, **plugin}}
    assert told in refused(written(tmp_path / "config", "http://127.0.0.1:1", user))


def test_a_kubeconfig_that_is_no_yaml_is_told_by_its_line_without_the_lines_around(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config"
    path.write_text(f"users:\n- name: u\n  user:\n    token: {SECRET}\n   other: x\n")
    assert re.search(r"config: it is no YAML.*, at line [45], column \d+", refused(str(path)))


def test_a_token_that_no_header_may_have_is_not_told(tmp_path: Path) -> None:
    path = written(tmp_path / "config", "http://127.0.0.1:1", {"token": f"{SECRET}\nx"})
    assert "the token has a character that no HTTP header may have" in refused(path)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_token_file_may_end_with_newlines(tmp_path: Path, end: str) -> None:
    with kubegrader.EmbeddedCluster() as cluster:
        with open(cluster.kubeconfig) as file:  # noqa: PTH123
            config = yaml.safe_load(file)
        user = config["users"][0]["user"]
        token = tmp_path / "token"
        token.write_bytes(user.pop("token").encode() + end.encode())
        user["tokenFile"] = str(token)
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(config))
        there = kubegrader.Cluster(kubeconfig=str(path))
        assert there.run(script("busybox", "echo hi")).logs == "hi\n"


def test_an_address_that_is_none_of_http_is_told_at_once(tmp_path: Path) -> None:
    told = refused(written(tmp_path / "config", f"ftp://joe:{SECRET}@127.0.0.1:1", {}))
    assert "ftp://127.0.0.1:1 begins with neither http:// nor https://" in told


def test_the_servers_address_is_told_without_a_user_and_a_query(tmp_path: Path) -> None:
    server = f"https://joe:{SECRET}@127.0.0.1:1/?k={SECRET}"
    cluster = kubegrader.Cluster(kubeconfig=written(tmp_path / "config", server, {}))
    with pytest.raises(kubegrader.UnreachableError) as error:
        cluster.run(script("busybox", "true"))
    assert "the API server https://127.0.0.1:1 does not answer" in str(error.value)
    assert SECRET not in str(error.value)


def test_a_token_of_the_wrong_type_is_not_told(tmp_path: Path) -> None:
    path = written(tmp_path / "config", "http://127.0.0.1:1", {"token": [SECRET]})
    assert "or a field of it has the wrong type, at line" in refused(path)


@pytest.mark.parametrize("url", [f"ftp://u:{SECRET}@127.0.0.1:2", f"http://u:{SECRET}@[::1"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(tmp_path: Path, url: str) -> None:
    path = written(tmp_path / "config", "http://127.0.0.1:1", {}, **{"proxy-url": url})
    assert "the proxy's address" in refused(path)


class Tunnels(socketserver.ThreadingTCPServer):
    """A proxy that leads to one place, wherever it is asked for."""

    daemon_threads = True
    to: tuple[str, int]
    asked: list[str]
    config: dict[str, Any]


class Tunnel(socketserver.StreamRequestHandler):
    server: Tunnels

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline().decode().strip())
        while self.rfile.readline().strip():
            pass
        with socket.create_connection(self.server.to) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=self.carry, args=(there, self.connection), daemon=True)
            back.start()
            self.carry(self.connection, there)

    @staticmethod
    def carry(source: socket.socket, sink: socket.socket) -> None:
        try:
            while some := source.recv(65536):
                sink.sendall(some)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The other side has gone.


@pytest.fixture
def proxy() -> Iterator[Tunnels]:
    """Give a proxy to a cluster, which `far` calls by a name that nobody else knows."""
    with (
        kubegrader.EmbeddedCluster() as cluster,
        Tunnels(("127.0.0.1", 0), Tunnel) as server,
    ):
        with open(cluster.kubeconfig) as file:  # noqa: PTH123
            server.config = yaml.safe_load(file)
        there = server.config["clusters"][0]["cluster"]
        url = urlsplit(there["server"])
        assert url.hostname is not None
        assert url.port is not None
        server.to = (url.hostname, url.port)
        there.update({"server": "https://cluster.invalid:6443", "tls-server-name": url.hostname})
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def far(proxy: Tunnels, path: Path, **cluster: str) -> kubegrader.Cluster:
    proxy.config["clusters"][0]["cluster"].update(cluster)
    path.write_text(yaml.safe_dump(proxy.config))
    return kubegrader.Cluster(kubeconfig=str(path))


def address(proxy: Tunnels) -> str:
    return f"http://{proxy.server_address[0]}:{proxy.server_address[1]}"


def test_the_proxy_of_the_kubeconfig_leads_to_the_cluster_whatever_the_environment_says(
    proxy: Tunnels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    cluster = far(proxy, tmp_path / "config", **{"proxy-url": address(proxy)})
    assert cluster.run(script("busybox", "echo hi")).logs == "hi\n"
    assert set(proxy.asked) == {"CONNECT cluster.invalid:6443 HTTP/1.1"}


# The proxy's own address, since what counts is the cluster's, and another port of its.
@pytest.mark.parametrize("spared", ["127.0.0.1,localhost", "cluster.invalid:443,*.other.invalid"])
def test_the_proxy_of_the_environment_leads_to_the_cluster(
    proxy: Tunnels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spared: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address(proxy))
    monkeypatch.setenv("NO_PROXY", spared)
    cluster = far(proxy, tmp_path / "config")
    assert cluster.run(script("busybox", "echo hi")).logs == "hi\n"
    assert proxy.asked


@pytest.mark.parametrize(
    "spared", ["cluster.invalid", ".invalid", "*.invalid", "a.b, cluster.invalid:6443"]
)
def test_what_no_proxy_names_is_reached_without_a_proxy(
    proxy: Tunnels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spared: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address(proxy))
    monkeypatch.setenv("NO_PROXY", spared)
    cluster = far(proxy, tmp_path / "config")
    run = cluster.submit(script("busybox", "true"))
    # The first one has failed, since nobody knows the name.
    until(lambda: cluster.requests["list"] >= 2)
    assert proxy.asked == []
    run.cancel()


def test_a_cluster_on_this_machine_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with kubegrader.EmbeddedCluster() as cluster:
        there = kubegrader.Cluster(kubeconfig=cluster.kubeconfig)
        assert there.run(script("busybox", "echo hi")).logs == "hi\n"


@pytest.mark.parametrize("order", [("{none}", "{there}"), ("{there}", "{none}")])
def test_of_several_kubeconfigs_those_that_are_not_there_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[str, str]
) -> None:
    with kubegrader.EmbeddedCluster() as cluster:
        names = {"none": str(tmp_path / "none"), "there": cluster.kubeconfig}
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(order).format(**names))
        assert kubegrader.Cluster().run(script("busybox", "echo hi")).logs == "hi\n"


def of_embedded(cluster: kubegrader.EmbeddedCluster) -> tuple[dict[str, Any], str]:
    """Give a kubeconfig, and the token that is taken out of it."""
    with open(cluster.kubeconfig) as file:  # noqa: PTH123
        config: dict[str, Any] = yaml.safe_load(file)
    return config, config["users"][0]["user"].pop("token")


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("beside", ["", "an-old-one"])
def test_a_tokens_file_goes_before_a_token_that_is_written_beside_it(
    tmp_path: Path, beside: str, end: str
) -> None:
    with kubegrader.EmbeddedCluster() as cluster:
        config, token = of_embedded(cluster)
        file, path = tmp_path / "token", tmp_path / "config"
        file.write_text(token + end)
        config["users"][0]["user"] = {"token": beside, "tokenFile": str(file)}
        path.write_text(yaml.safe_dump(config))
        there = kubegrader.Cluster(kubeconfig=str(path))
        assert there.run(script("busybox", "echo hi")).logs == "hi\n"


def test_an_empty_token_beside_a_credential_plugin_is_none(tmp_path: Path) -> None:
    with kubegrader.EmbeddedCluster() as cluster:
        config, token = of_embedded(cluster)
        credential = json.dumps({**EXEC, "kind": "ExecCredential", "status": {"token": token}})
        plugin = {**EXEC, "command": "echo", "args": [credential]}
        config["users"][0]["user"] = {"token": "", "exec": plugin}
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(config))
        there = kubegrader.Cluster(kubeconfig=str(path))
        assert there.run(script("busybox", "echo hi")).logs == "hi\n"


def test_a_token_of_a_credential_plugin_that_no_header_may_have_is_not_told(tmp_path: Path) -> None:
    credential = json.dumps({**EXEC, "kind": "ExecCredential", "status": {"token": f"{SECRET}\nx"}})
    user = {"exec": {**EXEC, "command": "echo", "args": [credential]}}
    told = refused(written(tmp_path / "config", "http://127.0.0.1:1", user))
    assert "the token has a character that no HTTP header may have" in told


def test_of_several_kubeconfigs_one_without_a_context_names_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kubegrader.EmbeddedCluster() as cluster:
        first = tmp_path / "first"
        # As kubectl writes one.
        empty = {"apiVersion": "v1", "kind": "Config", "current-context": "", "preferences": {}}
        first.write_text(yaml.safe_dump({**empty, "clusters": [], "contexts": [], "users": []}))
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(first), cluster.kubeconfig]))
        assert kubegrader.Cluster().run(script("busybox", "echo hi")).logs == "hi\n"


def test_a_pod_without_a_token_goes_by_the_kubeconfig_of_its_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kubegrader.EmbeddedCluster() as cluster:
        (tmp_path / ".kube").mkdir()
        (tmp_path / ".kube" / "config").write_text(Path(cluster.kubeconfig).read_text())
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("KUBECONFIG", raising=False)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
        assert kubegrader.Cluster().run(script("busybox", "echo hi")).logs == "hi\n"
