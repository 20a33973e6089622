"""Each fault of grader-service's own executor: the same test fails with it, and passes with ours.

``@pytest.mark.fault(number, first, last, fails=pattern)`` names the fault, the releases that have
it, and the assertion that must fail with their executor: its text is searched for the pattern.
Any other end of upstream's run is an error, a success most of all. ``client`` names the versions
of the package ``kubernetes`` that the fault is of, where it is not of all.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import kubernetes
import pytest
from grader_service.autograding.kube.kube_grader import KubeAutogradeExecutor as Upstream
from kubegrader.demo.course import SUBMISSIONS
from kubegrader.executor import KubeAutogradeExecutor as Ours
from kubegrader.releases import INSTALLED
from service import Service

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from kubegrader.demo.site import Site
    from program import Program
    from traitlets.config import Config

CLASSES = {"upstream": Upstream, "ours": Ours}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "fault(number, first, last, fails): a fault of the executor of these releases, and what "
        "the assertion says that fails with it",
    )


def is_upstream(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("service") == "upstream"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fault = item.get_closest_marker("fault")
        if fault is None or not is_upstream(item):
            continue
        client = fault.kwargs.get("client", "")
        if not kubernetes.__version__.startswith(client):
            item.add_marker(pytest.mark.skip(reason=f"a fault of kubernetes {client}"))
        first, last = (tuple(map(int, one.split("."))) for one in fault.args[1:])
        if not first <= INSTALLED.number <= last:
            item.add_marker(pytest.mark.skip(reason=f"a fault of {' to '.join(fault.args[1:])}"))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    fault = pyfuncitem.get_closest_marker("fault")
    if fault is None or not is_upstream(pyfuncitem):
        return (yield)
    try:
        yield
    except AssertionError as error:
        if re.search(fault.kwargs["fails"], str(error)) is None:
            raise
        pytest.xfail(f"fault {fault.args[0]}: {fault.kwargs['fails']}")
    pytest.fail(f"this executor does not have fault {fault.args[0]}", pytrace=False)


@pytest.fixture(autouse=True)
def loop_of_the_thread() -> Iterator[None]:
    """Give each test a loop: up to 0.5.0 upstream needs one, and asyncio.run takes it away."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def program(prepared: Program, settings: Config) -> Program:
    """What the pods' containers run: a script that leaves good results, unless a test says more."""
    prepared.use(settings)
    return prepared


@pytest.fixture(params=list(CLASSES))
def service(
    request: pytest.FixtureRequest, site: Site, settings: Config, program: Program
) -> Service:
    """The service with its own executor, then with ours."""
    assert program is not None
    return Service(site, CLASSES[request.param], settings)


@pytest.fixture
def submission(service: Service) -> int:
    """A submission that is worth 3 points."""
    return service.submit(SUBMISSIONS[0].notebook(service.site.course))
