"""An effect as a study reports it, in the common measure: Hedges g, corrected for schools where they were ignored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairn.errors import CairnError
from pilots import effect_size, wwc

ALPHA = 0.05
# Where the rules stand: the Procedures Handbook 4.1, chapter VI (magnitude, several outcomes) and its Appendix F.
CORRECTION = "WWC Procedures Handbook 4.1, Appendix F"
SEVERAL = "WWC Procedures Handbook 4.1, VI.B"


@dataclass(frozen=True)
class Arm:
    """One arm as told: pupils, and mean with SD of the outcome, or the share that succeeded; None: not told."""

    pupils: int | None = None
    mean: float | None = None
    sd: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class ReportedEffect:
    """``g`` in SD as analysed, with its word (Kraft 2020) and improvement index in percentile points.

    ``correction``, ``g_corrected`` and ``standard_error`` are None where the analysis was of schools or counts are
    missing. ``p_value`` is what counts: corrected for schools and, where several outcomes were told, for their number.
    ``is_p_left_out``: a p of pupils was told that could not be corrected for schools, so it does not count.
    """

    g: float
    origin: str
    label: str
    improvement_index: float
    icc: float | None
    correction: wwc.ClusterCorrection | None
    g_corrected: float | None
    standard_error: float | None
    p_value: float | None
    p_adjusted: list[float] | None
    is_p_left_out: bool = False

    @property
    def is_significant_positive(self) -> bool | None:
        """Whether it is a gain that a test confirms; None where there was no test."""
        return None if self.p_value is None else self.g > 0 and self.p_value < ALPHA

    def in_words(self) -> list[str]:
        """What was computed from what, a sentence each, with the rule."""
        told = []
        if self.correction is not None:
            one = self.correction
            told.append(
                f"schools were assigned and pupils analysed: t {one.t:.3f} becomes {one.t_corrected:.3f} at "
                f"{one.df:.1f} df, p {one.p_value:.3f}, with an intraclass correlation of {self.icc:g} ({CORRECTION})"
            )
        if self.p_adjusted is not None:
            told.append(
                f"{len(self.p_adjusted)} outcomes in one domain: p of this one is {self.p_adjusted[0]:.3f} after "
                f"Benjamini-Hochberg ({SEVERAL})"
            )
        if self.is_p_left_out:
            told.append(
                "p of pupils analysed as if each had been drawn does not count where schools were assigned: give pupils"
                f" and schools of both arms to correct it ({CORRECTION})"
            )
        return told


def effect_of(g: float | None, treatment: Arm, comparison: Arm) -> tuple[float, str] | None:
    """(Hedges g, where it is from): as given, else from means and SDs, else Cox's index of shares; None: nothing told.

    Raises CairnError where a part of it is missing, an SD is not above 0, or a share is 0 or 1 (its log odds have no
    end).
    """
    if g is not None:
        return g, "as given"
    means = (treatment.mean, comparison.mean, treatment.sd, comparison.sd)
    if any(number is not None for number in means):
        return _from_means(treatment, comparison), "from means and standard deviations"
    if treatment.share is None and comparison.share is None:
        return None
    if treatment.share is None or comparison.share is None:
        raise CairnError("an effect from shares needs the share of both arms")
    if not (0 < treatment.share < 1 and 0 < comparison.share < 1):
        raise CairnError("shares of 0 or 1 have no log odds, so no effect: give g, or the shares of a wider measure")
    return effect_size.cox_index(treatment.share, comparison.share), "Cox's index of shares"


def _from_means(treatment: Arm, comparison: Arm) -> float:
    if (
        treatment.mean is None
        or comparison.mean is None
        or treatment.sd is None
        or comparison.sd is None
        or treatment.pupils is None
        or comparison.pupils is None
    ):
        raise CairnError("an effect from means needs mean, SD and number of pupils of both arms")
    if treatment.pupils + comparison.pupils < 4 or min(treatment.pupils, comparison.pupils) < 2:
        raise CairnError("an effect from means needs two pupils in each arm at least")
    sd = effect_size.pooled_sd(treatment.sd, comparison.sd, treatment.pupils, comparison.pupils)
    if not sd > 0:
        raise CairnError("the outcome does not vary (SD 0): there is no effect in standard deviations")
    return effect_size.hedges_g(treatment.mean - comparison.mean, sd, treatment.pupils + comparison.pupils)


def reported(
    g: float,
    origin: str,
    treatment: Arm,
    comparison: Arm,
    *,
    schools: int | None,
    icc: float,
    r2: float,
    is_of_pupils: bool,
    p_values: Sequence[float],
) -> ReportedEffect:
    """The effect with its correction for schools and for several outcomes.

    ``is_of_pupils``: the analysis took pupils for the units although schools were assigned, so p is worked out anew
    from ``g`` and the counts. ``p_values``: of all outcomes of one domain as told, this one's first.
    """
    correction, corrected, error, icc_used = None, None, None, None
    if is_of_pupils and treatment.pupils and comparison.pupils and schools:
        total = treatment.pupils + comparison.pupils
        if not 2 < schools <= total:
            raise CairnError(f"{schools} schools and {total} pupils: give three schools or more, no more than pupils")
        if total - 2 <= 2 * (total / schools - 1) * icc:
            raise CairnError(f"{total} pupils in {schools} schools leave no degrees of freedom at {icc:g}; check them")
        icc_used = icc
        correction = wwc.cluster_correction(g, treatment.pupils, comparison.pupils, schools, icc)
        corrected, error = wwc.cluster_effect(g, treatment.pupils, comparison.pupils, schools, icc, r2)
    is_left_out = bool(p_values) and is_of_pupils and correction is None
    own = None if is_left_out or not p_values else p_values[0]
    if correction is not None:
        own = correction.p_value
    adjusted = None
    if own is not None and len(p_values) > 1:
        adjusted = wwc.benjamini_hochberg([own, *p_values[1:]])
    return ReportedEffect(
        g=g,
        origin=origin,
        label=effect_size.size_label(g),
        improvement_index=effect_size.improvement_index(g),
        icc=icc_used,
        correction=correction,
        g_corrected=corrected,
        standard_error=error,
        p_value=adjusted[0] if adjusted is not None else own,
        p_adjusted=adjusted,
        is_p_left_out=is_left_out,
    )
