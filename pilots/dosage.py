"""How much of the change pupils got, by arm: of those who were assigned, wherever they are now.

Minutes come from the event stream by the plan's rule, or from files; ``mart_pilot_pupil`` says which counts, and holds
both where both are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pilots.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

# Stream and files differ where their means are apart by more than this share of the larger.
DIFFER_SHARE = 0.10


@dataclass(frozen=True)
class Dosage:
    """Minutes are means a pupil assigned, joiners left out; shares are of them. None: nobody, or not known.

    ``pupils_met`` are treated pupils with the planned minutes. ``users`` are pupils of treated schools with any,
    joiners among them: a licence is used by whoever uses it. ``stream_minutes`` and ``file_minutes`` are of treated
    pupils, by either source. ``contaminated_share`` is that of comparison pupils with any minutes, ``crossed_share``
    that of all pupils who are (or were last) in a school of the other arm. ``untimed_share`` is that of events which
    tell no time.
    """

    source: str
    met_share: float | None
    pupils_met: int | None
    mean_minutes: float | None
    comparison_minutes: float
    contaminated_share: float | None
    comparison_met_share: float | None
    crossed_share: float | None
    users: int | None
    stream_minutes: float | None
    file_minutes: float | None
    untimed_share: float | None

    def as_said(self, met_share: float | None) -> Dosage:
        """With the share that the rollout's figures say (``pilots.rollout.figures``), so that the rule and every page
        have one number. Where they say none nobody sent a minute, and none sent is no 0: who met it, the mean and who
        used it are not known either."""
        if met_share is None:
            return replace(self, met_share=None, pupils_met=None, mean_minutes=None, users=None)
        return replace(self, met_share=met_share)

    @property
    def differs(self) -> bool:
        """Whether stream and files both tell, and not the same."""
        if self.stream_minutes is None or self.file_minutes is None:
            return False
        larger = max(self.stream_minutes, self.file_minutes)
        return abs(self.stream_minutes - self.file_minutes) > DIFFER_SHARE * larger

    @property
    def warnings(self) -> list[str]:
        """What a reader has to know of how time was measured, and of who got it beside those who should."""
        found = []
        if self.differs:
            counts = "the event stream" if self.source == "stream" else "files"
            found.append(
                f"Time differs by source: {self.stream_minutes:.0f} minutes a pupil by the event stream,"
                f" {self.file_minutes:.0f} by files; {counts} counts."
            )
        elif self.source == "stream" and not self.stream_minutes and not self.comparison_minutes:
            found.append("No event was counted by the plan's rule for dosage: look at its sources and activity types.")
        if self.untimed_share:
            found.append(f"{_few(self.untimed_share)} of the events that the dosage rule counts tell no time.")
        if self.comparison_minutes > 0 and self.contaminated_share:
            found.append(
                f"Comparison pupils got {self.comparison_minutes:.0f} minutes of the change on average;"
                f" {_few(self.contaminated_share)} of them got some."
            )
        return found


def _few(share: float) -> str:
    return "under 1%" if share < 0.01 else f"{share:.0%}"


def dosage_of(plan: Plan, assigned: pd.DataFrame, there: pd.DataFrame) -> Dosage:
    """Dosage of the pupils assigned; ``there`` are they and joiners, both with ``mart_pilot_pupil``'s columns.

    Marts from before there was a rule have ``dosage_minutes`` alone, from files.
    """
    minutes = _minutes(assigned, "dosage_minutes").fillna(0.0)
    is_treated = assigned["arm"] == "treatment"
    treated, other = minutes[is_treated], minutes[~is_treated]
    planned = float(plan.implementation["dosage_minutes_planned"])
    sources = assigned["dosage_source"].dropna().unique() if "dosage_source" in assigned.columns else []
    users = _minutes(there[there["arm"] == "treatment"], "dosage_minutes") > 0
    events, untimed = (_minutes(assigned, name).sum() for name in ("dosage_events", "dosage_events_untimed"))
    counts_minutes = plan.dosage.get("counts", "minutes") == "minutes"
    return Dosage(
        source=str(sources[0]) if len(sources) else "files",
        met_share=_mean(treated >= planned),
        pupils_met=int((treated >= planned).sum()),
        mean_minutes=_mean(treated),
        comparison_minutes=_mean(other) or 0.0,
        contaminated_share=_mean(other > 0),
        comparison_met_share=_mean(other >= planned),
        crossed_share=_crossed(assigned),
        users=int(users.sum()),
        stream_minutes=_mean(_minutes(assigned[is_treated], "dosage_minutes_stream").dropna()),
        file_minutes=_files(assigned[is_treated]),
        untimed_share=float(untimed / events) if events > 0 and counts_minutes else None,
    )


def _minutes(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column as numbers; empty where the mart has none."""
    return frame[name].astype(float) if name in frame.columns else frame["dosage_minutes"].astype(float).iloc[:0]


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None


def _files(treated: pd.DataFrame) -> float | None:
    """Mean minutes by files, who is in none having none; None where no file tells of anybody."""
    found = _minutes(treated, "dosage_minutes_file")
    return _mean(found.fillna(0.0)) if found.notna().any() else None


def _crossed(assigned: pd.DataFrame) -> float | None:
    """Share of pupils now in a school of the other arm; None where the mart does not tell."""
    if "moved_to_arm" not in assigned.columns:
        return None
    moved = assigned["moved_to_arm"]
    return _mean(moved.notna() & (moved != assigned["arm"]))
