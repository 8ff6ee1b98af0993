"""dbt as a child process: one ``dbt build`` makes one warehouse file, beside everything that is being read.

The file always has the same path while it is built (``home/releases/building``), so that dbt's parsed project, kept in
``home/releases/dbt``, stays valid from night to night; ``releases.learning`` copies the marts out of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import lake
from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.group_rules import load_group_rules
from cairn.mastery.config import load_config
from cairn.mastery.policy import STUCK_BELOW_SHARE, WHEEL_SPINNING_OPPORTUNITIES
from cairn.privacy import smallest_group
from cairn.settings import Settings
from gates.silence import SilenceRule
from loading.actions import FOLLOWED_DAYS, SUMMED_DAYS
from pilots import registry
from releases import store
from releases.dbt_sources import PROJECT, used_tables
from spark_jobs import night_record, policies

PUPIL_SILENT_SCHOOL_DAYS = 10
# Marts over all schools: worked out again over the rows that are published, where a school is held back.
RECOMPUTED = ("mart_district_competency", "mart_action_kind")
# Before any enrolment: too early in the year for anybody to count as silent.
NEVER = date(1900, 1, 1)


@dataclass(frozen=True)
class ReleaseContext:
    """What a build is of: the day, the instant for two-time tables, and the thresholds that follow from them.

    What the lake took in between ``books_since`` (when the release of an earlier day read it) and ``read_at`` is this
    night's. ``day_end`` is where the local day ends, as of which nights decide and shares are told. ``dosage_since`` is
    the first day whose events a pilot's dosage rule counts; None where no frozen plan has such a rule.
    """

    data_date: date
    day_end: datetime
    as_of: datetime
    school_year_start: date
    pupil_silent_since: date
    source_silent_since: date
    read_at: datetime
    books_since: datetime | None
    dosage_since: date | None = None

    @classmethod
    def of(cls, settings: Settings, data_date: date, as_of: datetime | None = None) -> ReleaseContext:
        """Thresholds from the district's calendar and rules; ``as_of`` is now where not given."""
        now = datetime.now(UTC)
        calendar = DistrictCalendar.load(settings)

        def back(school_days: int) -> date:
            # The first of that many school days that end with the data date.
            moment = data_date + timedelta(days=1)
            try:
                for _ in range(school_days):
                    moment = calendar.previous_school_day(moment)
            except LookupError:
                return NEVER
            return moment

        return cls(
            data_date=data_date,
            day_end=calendar.day_bounds(data_date)[1],
            as_of=(as_of or now).astimezone(UTC),
            school_year_start=calendar.school_year_start_date,
            pupil_silent_since=back(PUPIL_SILENT_SCHOOL_DAYS),
            source_silent_since=SilenceRule.load(settings).silent_since(calendar, data_date) or NEVER,
            read_at=now,
            books_since=_earlier_read_at(settings, data_date),
            dosage_since=_dosage_since(settings),
        )

    def environment(self) -> dict[str, str]:
        """The context as dbt reads it (models/staging/stg_release.sql)."""
        return {
            "CAIRN_DATA_DATE": self.data_date.isoformat(),
            "CAIRN_DAY_END": self.day_end.isoformat(),
            "CAIRN_AS_OF": self.as_of.isoformat(timespec="microseconds"),
            "CAIRN_SCHOOL_YEAR_START": self.school_year_start.isoformat(),
            "CAIRN_PUPIL_SILENT_SINCE": self.pupil_silent_since.isoformat(),
            "CAIRN_SOURCE_SILENT_SINCE": self.source_silent_since.isoformat(),
            "CAIRN_BOOKS_UNTIL": self.read_at.isoformat(timespec="microseconds"),
            **({"CAIRN_BOOKS_SINCE": self.books_since.isoformat(timespec="microseconds")} if self.books_since else {}),
            **({"CAIRN_DOSAGE_SINCE": self.dosage_since.isoformat()} if self.dosage_since else {}),
        }


def _earlier_read_at(settings: Settings, data_date: date) -> datetime | None:
    """When the newest published release of an earlier day began to read the lake; None before the first."""
    earlier = [release for release in store.list_releases(settings, "learning") if release.data_date < data_date]
    return max((release.read_at for release in earlier if release.read_at), default=None)


def _dosage_since(settings: Settings) -> date | None:
    """First day of any pilot with a dosage rule: events before it are not read for pilots."""
    plans = [frozen.plan for frozen in registry.newest_plans(settings)]
    return min((plan.starts_on for plan in plans if plan.dosage), default=None)


def _rules(settings: Settings) -> dict[str, str]:
    """Numbers of rules that Python has and models need: written once, handed over here."""
    load_group_rules(settings)  # read by dbt's model of groups: what is wrong in it is said here, in one line
    silence = SilenceRule.load(settings)
    config = load_config(settings)
    policy = config.in_force_now().policy
    return {
        "CAIRN_N_MIN": str(smallest_group(settings)),
        "CAIRN_SILENCE_WINDOW_DAYS": str(silence.window_days),
        "CAIRN_SILENCE_AT_LEAST_DAYS": str(silence.at_least_days),
        "CAIRN_WHEEL_SPINNING_OPPORTUNITIES": str(WHEEL_SPINNING_OPPORTUNITIES),
        "CAIRN_STUCK_BELOW_SHARE": str(STUCK_BELOW_SHARE),
        "CAIRN_ADULT_PLACES_PER_CLASS": str(settings.adult_places_per_class),
        "CAIRN_ACTION_FOLLOW_UP_DAYS": str(FOLLOWED_DAYS),
        "CAIRN_ACTION_SUMMARY_DAYS": str(SUMMED_DAYS),
        "CAIRN_POLICIES": json.dumps(
            [
                {
                    "policy_version": version,
                    "minimum_attempts": one["minimum_evidence"]["attempts"],
                    "review_due_share": one["review_due_share"],
                }
                for version, one in sorted(policies.known(settings, config).items())
            ]
        ),
        "CAIRN_MINIMUM_EVIDENCE_ATTEMPTS": str(policy.minimum.attempts),
        "CAIRN_REVIEW_DUE_SHARE": str(policy.review_share),
        "CAIRN_CARRY_REPLACED_DISCOUNT": str(settings.carry_replaced_discount),
        "CAIRN_CARRY_MATCH_DISCOUNT": str(settings.carry_match_discount),
        "CAIRN_CARRY_STEPS": str(settings.carry_steps),
        "CAIRN_ROLLUP_MASTERED_PCT": str(settings.rollup_mastered_pct),
        "CAIRN_ROLLUP_EVIDENCE_PCT": str(settings.rollup_evidence_pct),
    }


def building_path(settings: Settings) -> Path:
    """Where dbt builds; only one build at a time (see ``releases.store.building``)."""
    return settings.releases_dir / "building" / "warehouse.duckdb"


def target_dir(settings: Settings) -> Path:
    """dbt's own folder: the parsed project, results and documentation."""
    return settings.releases_dir / "dbt" / "target"


def recomputed_statements(settings: Settings) -> list[Path]:
    """The statements, as dbt ran them, of the marts over all schools. Raises CairnError where dbt left none."""
    found = []
    for name in RECOMPUTED:
        paths = sorted((target_dir(settings) / "compiled").rglob(f"{name}.sql"))
        if len(paths) != 1:
            raise CairnError(
                f"dbt left {len(paths)} statements of {name}: delete {target_dir(settings)} and build again"
            )
        found += paths
    return found


def ensure_lake_tables(settings: Settings) -> list[str]:
    """Create, empty, the lake tables that the models read and nobody has written yet; returns their names."""
    made = [name for name in used_tables() if not lake.exists(settings, name)]
    for name in made:
        lake.create(settings, name)
    return made


def night_versions(settings: Settings) -> dict[str, int]:
    """The versions of mastery's tables that the newest night names; none before the first night.

    Tables known at an instant (the roster, the framework) are read as they stand: stg_release filters them by time.
    """
    last = night_record.newest(settings)
    return {} if last is None else {name: last.versions[name] for name in night_record.WRITTEN}


def run_dbt(
    settings: Settings,
    arguments: list[str],
    context: ReleaseContext | None = None,
    *,
    folder: str = "dbt",
    more: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """One dbt invocation on the project; returns its output. Raises CairnError with the first failures.

    ``folder`` is where dbt keeps its own files, apart for each target: what it parsed for one is no use to another.
    ``more`` are variables beside those of every build.
    """
    home = settings.releases_dir / folder
    home.mkdir(parents=True, exist_ok=True)
    store.private_folder(building_path(settings).parent)
    environment = {
        **os.environ,
        **settings.environment(),
        "CAIRN_WAREHOUSE": str(building_path(settings)),
        **_rules(settings),
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(home / "target"),
        "DBT_LOG_PATH": str(home / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "CAIRN_LAKE_VERSIONS": json.dumps(night_versions(settings)),
        **(context.environment() if context else {}),
        **more,
    }
    command = [sys.executable, "-m", "releases.dbt_process", "--no-use-colors", *arguments]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CairnError(
            f"dbt failed: {_failures(home / 'target', done.stdout + done.stderr)}; log: {home / 'logs' / 'dbt.log'}"
        )
    return done.stdout


def _failures(target: Path, output: str) -> str:
    """The nodes that failed, from dbt's own results; the last words of its output where it never got that far."""
    try:
        results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
        bad = [r for r in results if r["status"] in ("error", "fail", "runtime error")]
    except (OSError, ValueError, KeyError):
        bad = []
    if not bad:
        return " ".join(output.split())[-400:] or "no output"
    # What a function of ours says stands behind some 170 characters of dbt's and DuckDB's.
    said = [f"{r['unique_id'].split('.', 2)[-1]} {r['status']}: {_short(str(r['message']))}" for r in bad]
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""
    return " | ".join(said[:3]) + more


def _short(message: str) -> str:
    """A failure in some 400 characters: of a Python model's traceback the last line, which says what is wrong."""
    head, traceback, rest = message.partition("Traceback (most recent call last):")
    said = head + rest.strip().splitlines()[-1] if traceback and rest.strip() else message
    return " ".join(said.split())[:400]


def clear_building(settings: Settings) -> None:
    """Remove the working file and what lies beside it: DuckDB's log, and the folder into which it wrote what did not
    fit into memory, which stays behind after a build as after a crash."""
    if building_path(settings).parent.exists():
        shutil.rmtree(building_path(settings).parent)


def build_warehouse(settings: Settings, context: ReleaseContext, *, unit_tests: bool = False) -> Path:
    """Every model and data test into a new file; returns its path. The caller holds the building lock.

    Unit tests look at the models' code, not at tonight's data: they run where ``unit_tests`` is set (in CI).
    """
    ensure_lake_tables(settings)
    clear_building(settings)
    path = building_path(settings)
    (target_dir(settings) / "run_results.json").unlink(missing_ok=True)
    shutil.rmtree(target_dir(settings) / "compiled", ignore_errors=True)
    chosen = [] if unit_tests else ["--exclude-resource-type", "unit_test"]
    run_dbt(settings, ["--quiet", "--log-level-file", "info", "build", *chosen], context)
    return path
