"""`rollout:` of a migration in the YAML: how the controller may move it."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from strangler.config.schema.field_types.quantities import Duration, DurationOrZero
from strangler.config.schema.field_types.rollout import RolloutStep, RolloutWindow, WebUrl
from strangler.config.schema.field_types.scalars import Flag, Name, Number, OneOrMany
from strangler.config.schema.resilience import Share
from strangler.config.schema.section import Section, Text
from strangler.rollout.policy import EXTRACTED, Deadlines, EquivalenceRule, RolloutPolicy

_POLICY = RolloutPolicy()
_RULE = EquivalenceRule()
_DEADLINES = Deadlines()
_FLOOR = 0.1 if _POLICY.floor is None else _POLICY.floor * 100

Probability = Annotated[Number, Field(gt=0, lt=1)]


class EquivalenceGateSection(Section):
    """Compared pairs have to show that fewer than `target` of the requests mismatch, for each operation."""

    enabled: Flag = Field(default=True, description="Whether the gate counts.")
    target: Share = Field(
        default=_RULE.target * 100, description="The share of mismatching requests to rule out, in percent."
    )
    classes: Annotated[list[Literal["high", "medium", "low"]], OneOrMany(), Field(min_length=1)] = Field(
        default=["high", "medium"],
        description="The classes of risk of the differences that count. Default: `[high, medium]`.",
    )


class ErrorsGateSection(Section):
    """Failing callers: 5xx, no response, a deadline, or a fallback in place of the extracted side."""

    enabled: Flag = Field(default=True, description="Whether the gate counts.")


class LatencyGateSection(Section):
    """Slow callers, counted like failing ones."""

    enabled: Flag = Field(default=True, description="Whether the gate counts.")
    slower_than: Literal["legacy p99"] = Field(
        default="legacy p99",
        description="What makes a request slow: the 99th percentile of the legacy side by route, frozen before each"
        " step.",
    )


class ApprovalGateSection(Section):
    """A person has to approve."""

    before: Annotated[list[RolloutStep], OneOrMany(), Field(min_length=1)] = Field(
        description="The steps that need approval.", examples=[["extracted"]]
    )


class MetricGateSection(Section):
    """A number of Prometheus that has to stay below a limit; one value at the limit or above it rolls back."""

    prometheus: WebUrl = Field(description="The URL of the Prometheus server.")
    query: Text = Field(
        description="A query (PromQL) that gives exactly one value.",
        examples=["sum(rate(checkout_failures_total[5m])) / sum(rate(checkouts_total[5m]))"],
    )
    below: Number = Field(description="The limit, which a good release does not reach.")


class GatesSection(Section):
    """What has to pass before each step. Every other key is the name of a metric gate."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Name, MetricGateSection] = Field(init=False)

    equivalence: EquivalenceGateSection = Field(
        default=EquivalenceGateSection(), description="Both sides respond alike."
    )
    errors: ErrorsGateSection = Field(default=ErrorsGateSection(), description="Not more callers fail.")
    latency: LatencyGateSection = Field(default=LatencyGateSection(), description="Not more callers are slow.")
    approval: ApprovalGateSection | None = Field(
        default=None, description="A person approves. Default: no step needs approval."
    )

    @property
    def metrics(self) -> dict[str, MetricGateSection]:
        """The metric gates by name."""
        return {str(name): gate for name, gate in (self.__pydantic_extra__ or {}).items()}


class NotifySection(Section):
    """Whom the controller notifies of each transition, and of rollouts that are stuck."""

    webhook: WebUrl = Field(description="The URL that gets a POST with the audit entry as JSON.")


class DeadlinesSection(Section):
    """How long a state may last before the rollout counts as stuck, which is shown and notified."""

    shadowing: Duration = Field(default=_DEADLINES.shadowing, description="Until pairs arrive and the self-test ran.")
    proving: Duration = Field(default=_DEADLINES.proving, description="Until shadowing has proven enough.")
    canary: Duration = Field(default=_DEADLINES.canary, description="For each step.")
    promoting: Duration = Field(default=_DEADLINES.promoting, description="Until all workers have the next share.")
    watching: Duration = Field(default=_DEADLINES.watching, description="After the last step.")
    holding: Duration = Field(default=_DEADLINES.holding, description="While something keeps it from going on.")


class RolloutSection(Section):
    """How a migration in stage `rollout` moves: forward by proof, and back by itself."""

    steps: Annotated[list[RolloutStep], Field(min_length=1)] = Field(
        default=list(_POLICY.steps),
        description="The shares of callers in their order; the last is `extracted`. Default: `[shadow, 1, 5, 25, 50,"
        " extracted]`.",
    )
    alpha: Probability = Field(default=_POLICY.alpha, description="The probability that a good release is rolled back.")
    beta: Probability = Field(default=_POLICY.beta, description="The probability that a bad one is promoted at a step.")
    harmful_ratio: Annotated[Number, Field(gt=1)] = Field(
        default=_POLICY.harmful_ratio,
        description="What counts as bad: this many times as many callers fail as on the legacy side.",
    )
    floor: Share = Field(
        default=_FLOOR,
        description="A release that fails a smaller share of its callers, in percent, is not bad, however few fail on"
        " the legacy side.",
    )
    gates: GatesSection = Field(default=GatesSection(), description="What has to pass before each step.")
    windows: Annotated[list[RolloutWindow], OneOrMany()] = Field(
        default=[], description="When the rollout may go forward. Default: always."
    )
    depends_on: Annotated[list[Text], OneOrMany()] = Field(
        default=[],
        description="Migrations that have to be at the same share first; if one rolls back, this one does as well.",
    )
    watch: DurationOrZero = Field(
        default=_POLICY.watch,
        description="How long the extracted side is watched after the last step, shadowed in reverse.",
    )
    writes: Text | None = Field(
        default=None,
        description="How data that the extracted side has written comes back to the legacy side after a rollback. The"
        " gateway shows it, and does nothing of it. Default: not told, with a warning where writes are moved.",
    )
    notify: NotifySection | None = Field(default=None, description="Whom to notify. Default: the event log alone.")
    stuck_after: DeadlinesSection = Field(
        default=DeadlinesSection(), description="When a rollout without progress counts as stuck."
    )
    dry_run: Flag = Field(
        default=_POLICY.dry_run, description="Whether to shadow, decide and record, but to move no caller."
    )

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: list[float]) -> list[float]:
        if steps[-1] != EXTRACTED:
            raise ValueError("the last step has to be 'extracted'")
        if any(low >= high for low, high in pairwise(steps)):
            raise ValueError("the steps have to rise")
        return steps

    @model_validator(mode="after")
    def _sees_callers(self) -> RolloutSection:
        gates = self.gates
        if not (gates.errors.enabled or gates.latency.enabled or gates.metrics):
            raise ValueError("a rollout needs a gate that sees callers: errors, latency or a metric")
        return self
