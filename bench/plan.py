"""What is measured, how often, and with whom: all of it in ten minutes, or the least in one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .contenders import CONTENDERS, FLOOR, FLOOR_LOG, KUBEGRADER

MEASURES = ("start", "requests", "delays", "many", "growth", "polling", "real", "gradings", "wheel")


@dataclass(frozen=True, slots=True)
class Stage:
    """Pods in flight, how many of them end in a second, and how often that is repeated."""

    pods: int
    rate: float
    rounds: int
    peer_rounds: int | None = None
    """How often the peers do it; None: as often."""

    def rounds_of(self, name: str) -> int:
        """Give the rounds of a contender."""
        is_peer = name not in {*KUBEGRADER, FLOOR, FLOOR_LOG}
        return self.rounds if self.peer_rounds is None or not is_peer else self.peer_rounds


@dataclass(frozen=True, slots=True)
class Plan:
    """All numbers of a run."""

    contenders: tuple[str, ...]
    many_contenders: tuple[str, ...]
    """Of these, who is asked for as many pods as in `many`."""
    growth_contenders: tuple[str, ...]
    few: tuple[Stage, ...]
    many: tuple[Stage, ...]
    growth: tuple[int, ...]
    growth_rounds: int
    request_pods: int
    request_life: float
    polling_pods: int
    polling_seconds: float
    polling_rounds: int
    real: tuple[tuple[int, int], ...]
    """Real pods at once, and how often that is repeated."""
    gradings: int
    start_rounds: int
    start_peer_rounds: int
    measures: tuple[str, ...] = MEASURES

    def only(self, contenders: list[str] | None, measures: list[str] | None) -> Plan:
        """Leave out everybody, and every measure, that is not named."""
        wanted = set(contenders or CONTENDERS)
        return replace(
            self,
            contenders=tuple(name for name in self.contenders if name in wanted),
            many_contenders=tuple(name for name in self.many_contenders if name in wanted),
            growth_contenders=tuple(name for name in self.growth_contenders if name in wanted),
            measures=tuple(one for one in self.measures if one in (measures or MEASURES)),
        )

    def at_most(self, pods: int) -> Plan:
        """Let no stage have more pods than these, and no size be asked for twice."""

        def capped(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
            by_pods = {stage.pods: stage for stage in stages if stage.pods <= pods}
            smallest = replace(stages[0], pods=pods)
            return tuple(by_pods.values()) or (smallest,)

        return replace(
            self,
            few=capped(self.few),
            many=capped(self.many),
            growth=tuple(size for size in self.growth if size <= pods) or (pods,),
            request_pods=min(self.request_pods, pods),
            polling_pods=min(self.polling_pods, pods),
            real=tuple((min(at_once, pods), rounds) for at_once, rounds in self.real),
        )


FULL = Plan(
    contenders=tuple(CONTENDERS),
    many_contenders=tuple(CONTENDERS),
    growth_contenders=("async", FLOOR),
    few=(Stage(20, 20, 3), Stage(200, 100, 2)),
    many=(Stage(2_000, 300, 2, peer_rounds=1),),
    growth=(10, 100, 1_000, 10_000),
    growth_rounds=2,
    request_pods=10,
    request_life=12,
    polling_pods=40,
    polling_seconds=15,
    polling_rounds=2,
    real=((1, 20), (10, 3)),
    gradings=10,
    start_rounds=15,
    start_peer_rounds=3,
)

QUICK = Plan(
    contenders=("async", "run", FLOOR, FLOOR_LOG, "official", "lightkube", "upstream-1s"),
    many_contenders=("async", FLOOR),
    growth_contenders=("async",),
    few=(Stage(20, 40, 2),),
    many=(Stage(2_000, 500, 1),),
    growth=(10, 100, 1_000),
    growth_rounds=1,
    request_pods=5,
    request_life=3,
    polling_pods=20,
    polling_seconds=8,
    polling_rounds=1,
    real=((1, 3), (5, 1)),
    gradings=2,
    start_rounds=5,
    start_peer_rounds=0,
)
