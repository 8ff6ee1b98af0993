"""Rounds of faults on real processes: what was acknowledged is in silver once, and the books balance.

``python -m tests.faults.rounds --rounds 100 [--seed S] [--brokers 1|3] [--faults NAME,NAME]``

Gateway, broker (or three) and the intake service run as in a stack, while two senders post statements and repeat what
was not acknowledged. Each round does one or two faults, chosen and timed by the seed; then everything runs again, the
senders end, and at every so many rounds intake takes in what waits and the whole lake is looked at. Exit status 1 where
anything was lost or is there twice, or where the books do not balance.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import lake
from cairn.settings import Settings
from infra.ports import free_port
from spark_jobs import intake, intake_hops, intake_state
from spark_jobs.intake_ledger import ledger
from spark_jobs.intake_topic import topic_breaks
from streaming.sources import Mode, SourceRegistry
from streaming.topics import ensure_topics
from tests.faults.brokers import Brokers
from tests.faults.sending import Sender
from tests.streaming.gateway_process import RunningGateway, launch_gateway

SOURCES = ("tilewise", "wordloom")
COMMITTED = (
    "bronze.activity",
    "silver.learner_activity",
    "silver.activity_key",
    "bronze.receipts",
    "ops.intake_ledger",
)
# Longer than the gateway's patience with a commit, so that its outcome is not known; many hangs are shorter.
LONGEST_HANG_SECONDS = 14.0
DRAIN_SECONDS = 420.0
COMMIT_SECONDS = 60.0
END_SECONDS = 60.0


@dataclass
class Round:
    """What a round did and found. ``lost``: acknowledged and not in silver; ``double``: in silver more than once."""

    number: int
    faults: list[str]
    acknowledged: int = 0
    lost: int = 0
    double: int = 0
    unknown: int = 0
    asked_again: int = 0
    unbalanced: list[str] = field(default_factory=list)
    is_checked: bool = False
    seconds: float = 0.0

    @property
    def is_red(self) -> bool:
        """Whether anything is not as it must be."""
        return bool(self.lost or self.double or self.unknown or self.unbalanced)

    def line(self) -> str:
        """One line of progress."""
        books = "balanced" if not self.unbalanced else "; ".join(self.unbalanced)
        found = f"lost {self.lost}  double {self.double}  never sent {self.unknown}  books {books}"
        return (
            f"round {self.number:3d}  {'+'.join(self.faults):44s} acknowledged {self.acknowledged:6d}"
            f"  asked again {self.asked_again:3d}"
            f"  {found if self.is_checked else 'looked at later'}"
            f"  {self.seconds:.0f} s{'  RED' if self.is_red else ''}"
        )


class Stand:
    """The processes under test and the faults that can be done to them."""

    def __init__(self, home: Path, brokers: int, chance: random.Random, seed: str, hang_seconds: float) -> None:
        self.chance = chance
        self._longest_hang = hang_seconds
        self.brokers = Brokers(home, Settings().cache_dir, brokers)
        self.settings = Settings(home=home, kafka_bootstrap=self.brokers.bootstrap)
        self._logs = home / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._intake: subprocess.Popen[bytes] | None = None
        self._gateway: RunningGateway | None = None
        self._port = free_port()
        registry = SourceRegistry(self.settings)
        for source in SOURCES:
            registry.add(source, save_token=True, mode=Mode.PARTIAL)
        registry.close()
        self.senders = [Sender(self.settings, source, f"{seed}-{source}") for source in SOURCES]

    def start(self) -> None:
        """Everything that does not run yet."""
        for node in self.brokers.nodes:
            if node.process is None or node.process.process.poll() is not None:
                self.brokers.start(node.number)
        ensure_topics(self.settings)
        if self._gateway is None or self._gateway.process.poll() is not None:
            with (self._logs / "gateway.log").open("ab") as out:
                self._gateway = launch_gateway(self.settings, self._port, out)
        if self._intake is None or self._intake.poll() is not None:
            changes = {"CAIRN_HOME": str(self.settings.home), "CAIRN_KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap}
            with (self._logs / "intake.log").open("ab") as out:
                self._intake = subprocess.Popen(
                    [sys.executable, "-m", "spark_jobs.intake_service"],
                    env=os.environ | changes,
                    stdout=out,
                    stderr=out,
                )
        self._gateway.wait_ready(300)

    def stop(self) -> None:
        """Nothing runs afterwards. Intake is asked to end, and ends in order."""
        if self._intake is not None and self._intake.poll() is None:
            self._intake.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._intake.wait(END_SECONDS)
        self.kill_intake()
        self.kill_gateway()
        self.brokers.stop()

    def kill_gateway(self) -> None:
        """SIGKILL."""
        if self._gateway is not None:
            self._gateway.process.kill()
            self._gateway.process.wait(30)

    def kill_intake(self) -> None:
        """SIGKILL; Spark's Java process ends with its parent."""
        if self._intake is not None:
            self._intake.kill()
            self._intake.wait(30)

    def gateway_killed(self) -> None:
        """The gateway dies and is started again, as the supervisor does."""
        self.kill_gateway()
        self.start()

    def broker_killed(self) -> None:
        """A broker dies, stays away for a moment, and comes back with its data."""
        number = self._a_broker()
        self.brokers.kill(number)
        time.sleep(self.chance.uniform(0.0, 4.0))
        self.brokers.start(number)

    def broker_hangs(self) -> None:
        """A broker answers nothing for a while and then goes on."""
        number = self._a_broker()
        self.brokers.hang(number)
        time.sleep(self.chance.uniform(1.0, self._longest_hang))
        self.brokers.resume(number)

    def disk_full(self) -> None:
        """A broker cannot write and gives up; then there is room, and it is started again."""
        number = self._a_broker()
        self.brokers.fill_disk(number)
        self.brokers.start(number)

    def intake_killed(self) -> None:
        """Intake dies whatever it is at."""
        intake_state.ask_for_batch(self.settings)
        time.sleep(self.chance.uniform(0.0, 3.0))
        self.kill_intake()
        self.start()

    def intake_killed_in_commit(self) -> None:
        """Intake dies when one of a batch's tables has been committed and others have not."""
        table = self.chance.choice(COMMITTED)
        before = lake.current_version(self.settings, table) if lake.exists(self.settings, table) else -1
        log = Path(lake.table_uri(self.settings, table)) / "_delta_log"
        intake_state.ask_for_batch(self.settings)
        # Version 0 is the empty table.
        next_commit = log / f"{max(before + 1, 1):020d}.json"
        deadline = time.monotonic() + COMMIT_SECONDS
        while not next_commit.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        self.kill_intake()
        self.start()

    def checkpoint_lost(self) -> None:
        """Intake dies and its checkpoint is gone."""
        self.kill_intake()
        shutil.rmtree(self.settings.checkpoints_dir / "intake", ignore_errors=True)
        self.start()

    def _a_broker(self) -> int:
        return self.chance.randrange(len(self.brokers.nodes))


FAULTS: dict[str, Callable[[Stand], None]] = {
    "gateway_killed": Stand.gateway_killed,
    "broker_killed": Stand.broker_killed,
    "broker_hangs": Stand.broker_hangs,
    "disk_full": Stand.disk_full,
    "intake_killed": Stand.intake_killed,
    "intake_killed_in_commit": Stand.intake_killed_in_commit,
    "checkpoint_lost": Stand.checkpoint_lost,
}


def chosen(chance: random.Random, names: Sequence[str], number: int) -> list[str]:
    """The faults of a round: each comes in its turn, half the time with another one after it."""
    first = names[number % len(names)]
    others = [name for name in names if name != first]
    return [first, chance.choice(others)] if others and chance.random() < 0.5 else [first]


def run_round(stand: Stand, number: int, faults: list[str], is_checked: bool) -> Round:
    """Send, do the faults, let everything run again; where it is due, come to rest and look at the whole lake."""
    done = Round(number, faults)
    began = time.monotonic()
    for sender in stand.senders:
        sender.begin()
    for name in faults:
        time.sleep(stand.chance.uniform(0.2, 1.5))
        FAULTS[name](stand)
    stand.start()
    time.sleep(0.5)
    for sender in stand.senders:
        sender.end()
    done.acknowledged = sum(len(sender.told.acknowledged) for sender in stand.senders)
    done.asked_again = sum(sender.told.asked_again for sender in stand.senders)
    if is_checked:
        intake_state.wait_until_passed(stand.settings, intake.present_end(stand.settings), DRAIN_SECONDS)
        check(stand, done)
    done.seconds = time.monotonic() - began
    return done


def check(stand: Stand, done: Round) -> None:
    """Every acknowledged statement once, nothing else, and books in which nothing is unexplained."""
    settings = stand.settings
    found = Counter(lake.read(settings, "silver.learner_activity", ["event_id"])["event_id"].to_pylist())
    expected: set[str] = set().union(*(sender.event_ids() for sender in stand.senders))
    done.is_checked = True
    done.lost = len(expected - found.keys())
    done.double = sum(count - 1 for count in found.values())
    # All that was posted was acknowledged in the end: what is there besides came from nobody.
    done.unknown = len(found.keys() - expected)
    books = [f"{row['unexplained']} unexplained" for row in ledger(settings) if row["unexplained"]]
    at_rest = datetime.now(UTC) + intake_hops.STILL_WRITTEN
    hops = [*topic_breaks(settings), *intake_hops.breaks(settings, now=at_rest)]
    done.unbalanced = books + [one.line() for one in hops]
    for sender in stand.senders:
        wrong = {status: count for status, count in sender.told.answers.items() if status != 200}
        done.unbalanced += [f"{sender.source} had answers {wrong}"] if wrong else []
    columns = ["kafka_partition", "kafka_offset"]
    bronze = lake.read(settings, "bronze.activity", columns)
    if bronze.group_by(columns).aggregate([]).num_rows != bronze.num_rows:
        done.unbalanced.append("a record is in bronze twice")


def summary(rounds: Sequence[Round], names: Sequence[str]) -> str:
    """A line a fault, and one over all rounds."""
    lines = [f"{'fault':26s} rounds  lost  double  books that did not balance"]
    for name in dict.fromkeys(names):
        with_it = [one for one in rounds if name in one.faults]
        counts = sum(one.lost for one in with_it), sum(one.double for one in with_it)
        red = sum(bool(one.unbalanced) for one in with_it)
        lines.append(f"{name:26s} {len(with_it):6d} {counts[0]:5d} {counts[1]:7d} {red:5d}")
    lost, double = (max((getattr(one, what) for one in rounds), default=0) for what in ("lost", "double"))
    acknowledged = rounds[-1].acknowledged if rounds else 0
    red = sum(bool(one.unbalanced) for one in rounds)
    looked = sum(one.is_checked for one in rounds)
    lines.append(
        f"{'all':26s} {len(rounds):6d} {lost:5d} {double:7d} {red:5d}   {acknowledged} acknowledged, {looked} looks"
    )
    return "\n".join(lines)


def run(
    home: Path,
    plan: Sequence[Sequence[str]],
    brokers: int,
    seed: str,
    say: Callable[[str], None],
    check_every: int = 1,
    is_over: Callable[[], bool] = lambda: False,
    hang_seconds: float = LONGEST_HANG_SECONDS,
) -> list[Round]:
    """The rounds of a plan (faults by name, in order).

    Ends early where one is red, for its traces are still fresh, and after the first round at whose start ``is_over``.
    What a round that is not looked at lost is found by the next that is.
    """
    chance = random.Random(seed)
    stand = Stand(home, brokers, chance, seed, hang_seconds)
    rounds = []
    try:
        stand.start()
        for number, faults in enumerate(plan, 1):
            is_last = number == len(plan) or is_over()
            rounds.append(run_round(stand, number, list(faults), is_last or number % check_every == 0))
            say(rounds[-1].line())
            if rounds[-1].is_red or is_last:
                break
    finally:
        stand.stop()
    return rounds


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Rounds of faults on real processes.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", default=None, help="of an earlier run, to repeat its faults and their times")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--check-every", type=int, default=1, help="rounds between two looks at the lake")
    parser.add_argument("--faults", default=",".join(FAULTS), help="only these, in turn")
    given = parser.parse_args(arguments)
    names = given.faults.split(",")
    if unknown := set(names) - FAULTS.keys():
        parser.error(f"no fault {', '.join(sorted(unknown))}: there are {', '.join(FAULTS)}")
    seed = given.seed or secrets.token_hex(4)
    home = Path(tempfile.mkdtemp(prefix="cairn-faults-"))
    print(f"seed {seed}  rounds {given.rounds}  brokers {given.brokers}  folder {home}", flush=True)
    chance = random.Random(f"plan-{seed}")
    plan = [chosen(chance, names, number) for number in range(given.rounds)]
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    rounds = run(
        home, plan, given.brokers, seed, lambda line: print(line, flush=True), given.check_every, lambda: bool(ended)
    )
    print(summary(rounds, names), flush=True)
    if any(one.is_red for one in rounds):
        print(f"red: --seed {seed} repeats it; logs and lake are in {home}", flush=True)
        return 1
    shutil.rmtree(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
