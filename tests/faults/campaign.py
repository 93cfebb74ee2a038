"""The fault campaign: rounds of load, work, fault, recovery and counting on one running stack.

Everything that is drawn (which fault in the middle of which work, its moment, what is killed, how long it lasts, what is sent)
comes from a printed seed; the same seed draws the same again. What is done and how to read the report: docs/faults.md.
"""

import itertools
import os
import platform
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg

from leadsys.embedded.home import PROJECT
from tests.faults.acts import begin_bulk, begin_erasing, begin_exports, begin_merging
from tests.faults.counting import Count, count, wait_until_quiet
from tests.faults.hands import Hands
from tests.faults.inflict import FAULTS, Blow, NothingToHurt, SecondWorker, small_disk
from tests.faults.load import NEWSLETTER, Load, Place
from tests.faults.mail_sink import Sink, mail_sink
from tests.faults.stack import PATIENCE_SECONDS, Eye, RunningStack, clear, start
from tests.faults.work import (
    Field,
    Work,
    begin_batch,
    begin_escalation,
    begin_import,
    begin_publishing,
    begin_sending,
    enroll_some,
    field_of,
)

# So many rounds share a tenant; the next ones work beside what these left.
ROUNDS_A_TENANT: Final = 8
IN_HAND_SECONDS: Final = 4.0
AGAIN_SECONDS: Final = 0.5
REPORT: Final = PROJECT / "docs" / "faults.md"
IS_FULL: Final = os.environ.get("LEADSYS_FAULTS") == "full"
ENDED_BY: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Begin = Callable[[Field, random.Random], Work]
WORKS: Final[dict[str, Begin]] = {
    "batch": begin_batch,
    "import": begin_import,
    "send": begin_sending,
    "escalation": begin_escalation,
    "publish": begin_publishing,
    "bulk": begin_bulk,
    "merge": begin_merging,
    "erase": begin_erasing,
    "export": begin_exports,
}


@dataclass(frozen=True)
class Plan:
    """What one round does."""

    number: int
    fault: str
    work: str


@dataclass
class Round:
    """What came of it. ``hit``: whether the work was in somebody's hands when the fault came."""

    plan: Plan
    hit: bool
    recovery_seconds: float
    done_seconds: float
    count: Count
    seconds: float


def draw_plans(seed: int, *, rounds: int, without: frozenset[str] = frozenset()) -> list[Plan]:
    """Every fault in the middle of so many works as it says, drawn and shuffled anew each time through."""
    dice = random.Random(f"{seed}/plans")
    plans: list[Plan] = []
    while len(plans) < rounds:
        deck = [
            (name, work)
            for name, (_inflict, draws) in FAULTS.items()
            if name not in without
            for work in (["import"] if draws == 0 else dice.sample(list(WORKS), draws or len(WORKS)))
        ]
        dice.shuffle(deck)
        plans += [Plan(len(plans) + place, name, work) for place, (name, work) in enumerate(deck, start=1)]
    return plans[:rounds]


@dataclass
class Totals:
    """What the whole campaign has moved."""

    leads: int = 0
    mails: int = 0
    unknown: int = 0
    shares: int = 0
    published: int = 0


@dataclass
class Campaign:
    """The rounds of one seed on one stack."""

    seed: int
    stack: RunningStack
    hands: Hands
    sink: Sink
    folder: Path
    second: SecondWorker = field(default_factory=SecondWorker)
    rounds: list[Round] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(self, plans: list[Plan]) -> None:
        """Every round, a fresh tenant for each dozen of them."""
        for start_at in range(0, len(plans), ROUNDS_A_TENANT):
            with self.field(start_at=start_at) as at:
                for plan in plans[start_at : start_at + ROUNDS_A_TENANT]:
                    self.rounds.append(self.play(at, plan))
                self._close(at)

    @contextmanager
    def field(self, *, start_at: int) -> Iterator[Field]:
        """A tenant with people and clients of its own for the rounds from ``start_at`` on."""
        # Named by the process: the servers may have data of an earlier campaign.
        tenant = self.hands.do("make_tenant", slug=f"casa{os.getpid()}x{start_at}")
        dice = random.Random(f"{self.seed}/load/{start_at}")
        load = Load(Place(self.stack.port, tenant), dice, lambda: next(self._numbers))
        with field_of(self.stack, self.hands, load, self.folder, self._numbers) as at:
            self.second.ensure(at)
            load.send_many(40, NEWSLETTER, is_async=False)
            yield at

    def play(self, at: Field, plan: Plan) -> Round:
        """One round: work under load, the fault in its middle, recovery, quiet, the count."""
        dice, began_at = random.Random(f"{self.seed}/{plan.number}"), time.monotonic()
        before_seconds, lasts_seconds, after_seconds = dice.random(), dice.uniform(0.5, 2), dice.uniform(0, 1)
        words: list[str] = []
        at.checks.clear()
        with at.load.flowing():
            enroll_some(at, 6)
            work = WORKS[plan.work](at, dice)
            wait_in_hand(work.is_in_hand, seconds=IN_HAND_SECONDS)
            time.sleep(before_seconds * work.longest_seconds)
            # Between two batches, the next one.
            wait_in_hand(work.is_in_hand, seconds=AGAIN_SECONDS)
            hit = work.is_in_hand()
            struck_at = time.monotonic()
            try:
                mend = FAULTS[plan.fault][0](Blow(at, work, dice, self.second))
            except NothingToHurt as nothing:
                mend, hit = None, False
                words.append(str(nothing))
            if mend is not None:
                time.sleep(lasts_seconds)
                mend()
            recovery_seconds = self._recover(at, struck_at)
            time.sleep(after_seconds)
        left = wait_until_quiet(at)
        done_seconds = time.monotonic() - struck_at
        counted = count(at, self.sink, left)
        if plan.work == "publish":
            self._compare(at, counted)
        played = Round(plan, hit, recovery_seconds, done_seconds, counted, time.monotonic() - began_at)
        say(played, at.waited_for)
        return played

    def _recover(self, at: Field, struck_at: float) -> float:
        """Seconds from the fault until somebody who comes in after it has been taken in by a worker."""
        deadline, eye = struck_at + PATIENCE_SECONDS, Eye(self.stack)
        submission: int | None = None
        try:
            while time.monotonic() < deadline:
                self.second.ensure(at)
                try:
                    if submission is None:
                        promise, body = at.load.lead(NEWSLETTER)
                        status, answer = at.load.place.post(
                            "/api/v1/leads/", body, headers={"Prefer": "respond-async"}, seconds=10
                        )
                        if status == 202:
                            promise.accepted, submission = True, answer["submission"]
                    elif eye.see(
                        "SELECT 1 FROM leads_submission WHERE id = %(id)s AND state = 'processed'",
                        {"id": submission},
                    ):
                        return time.monotonic() - struck_at
                except (OSError, ValueError, psycopg.Error):
                    pass
                time.sleep(0.05)
        finally:
            eye.close()
        return time.monotonic() - struck_at

    def _compare(self, at: Field, counted: Count) -> None:
        """Scores, stages and owners are what the pipeline would make of every lead now."""
        differing = self.hands.do("list_differing", tenant_id=at.tenant_id)
        counted.note(
            f"leads that stand differently after another run: {differing[:3]}", "lost", len(differing)
        )

    def _close(self, at: Field) -> None:
        """What is counted once a tenant: standings, and that the Outbox lists what nobody knows."""
        last = self.rounds[-1].count
        self._compare(at, last)
        unknown = at.eye.see_at_last(
            "SELECT id FROM nurturing_message WHERE tenant_id = %(tenant)s AND state = 'unknown'",
            {"tenant": at.tenant_id},
        )
        tenant = at.load.place.tenant
        page = self.hands.do("list_shown_as_unknown", slug=tenant["slug"], admin=tenant["admin"])
        hidden = [message for (message,) in unknown[:50] if f"/outbox/{message}/" not in page]
        last.note(f"messages of unknown outcome that the Outbox hides: {hidden}", "lost", len(hidden))
        [(mails, shares)] = at.eye.see_at_last(
            "SELECT (SELECT count(*) FROM nurturing_message WHERE tenant_id = %(tenant)s AND state = 'sent'),"
            " (SELECT count(*) FROM leads_decision WHERE tenant_id = %(tenant)s AND kind = 'clock'"
            "  AND detail ? 'percent')",
            {"tenant": at.tenant_id},
        )
        self.totals.leads += at.load.book.accepted
        self.totals.mails += mails
        self.totals.shares += shares
        self.totals.unknown += len(unknown)
        self.totals.published += at.published


def wait_in_hand(is_in_hand: Callable[[], bool], *, seconds: float) -> None:
    """Wait until somebody is at the work; not for ever, since it may be over already."""
    deadline = time.monotonic() + seconds
    while not is_in_hand() and time.monotonic() < deadline:
        time.sleep(0.004)


def say(played: Round, waited_for: str) -> None:
    """A line for each round, at once."""
    plan, counted = played.plan, played.count
    middle = "in the middle" if played.hit else "beside"
    line = (
        f"{plan.number:4} {plan.fault}, {middle} of {plan.work}: back after {played.recovery_seconds:.1f} s"
    )
    line += (
        f", all done after {played.done_seconds:.1f} s (last: {waited_for}), round of {played.seconds:.1f} s"
    )
    print("\n      ".join([line, *counted.words[:8]]), flush=True)  # noqa: T201


# The report ------------------------------------------------------------------------------------------------------


def table(rounds: list[Round]) -> str:
    """The rounds by kind of fault, as Markdown."""
    lines = [
        "| fault | rounds | in the middle | leads, events lost | mails, events doubled | clocks missed | stuck rows"
        " | takes in again after | all done after |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name in FAULTS:
        of_kind = [each for each in rounds if each.plan.fault == name]
        if of_kind:
            lines.append(_line(name, of_kind))
    return "\n".join([*lines, _line("**all**", rounds)])


def _line(name: str, rounds: list[Round]) -> str:
    sums = Counter[str]()
    for each in rounds:
        for kind in ("lost", "doubled", "missed", "stuck"):
            sums[kind] += getattr(each.count, kind)
    slowest = max(each.recovery_seconds for each in rounds), max(each.done_seconds for each in rounds)
    hit = sum(each.hit for each in rounds)
    counted = f"{sums['lost']} | {sums['doubled']} | {sums['missed']} | {sums['stuck']}"
    return f"| {name} | {len(rounds)} | {hit} | {counted} | {slowest[0]:.1f} s | {slowest[1]:.1f} s |"


def report(campaign: Campaign, *, planned: int, skipped: frozenset[str], seconds: float) -> str:
    """Everything that a reader needs to judge the campaign, and to repeat it. ``planned``: rounds, had it not been ended."""
    totals, works = campaign.totals, Counter(each.plan.work for each in campaign.rounds)
    hits = Counter(each.plan.work for each in campaign.rounds if each.hit)
    commit = subprocess.run(
        ["git", "describe", "--always"], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.strip()
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}, {platform.system()} with {os.cpu_count()} cores:"
        f" {len(campaign.rounds)} of {planned} rounds in {seconds / 60:.0f} minutes, `LEADSYS_FAULT_SEED={campaign.seed}`.",
        "",
        table(campaign.rounds),
        "",
        f"Moved meanwhile: {totals.leads:,} leads accepted, {totals.mails:,} mails sent, {totals.unknown} sendings of unknown "
        f"outcome (all of them on the Outbox page, none repeated), {totals.shares:,} shares of clocks' time acted on, "
        f"{totals.published} models published.",
        "",
        "In the middle of: " + ", ".join(f"{work} {hits[work]} of {works[work]}" for work in WORKS) + ".",
    ]
    lines += [f"\nSkipped here: {name}." for name in sorted(skipped)]
    if len(campaign.rounds) < planned:
        lines.append(
            f"\n**Unfinished**: ended after {len(campaign.rounds)} of {planned} rounds; what was moved is that of tenants"
            " whose rounds were over."
        )
    troubled = [each for each in campaign.rounds if not each.count.is_clean]
    lines += [
        f"\nRound {each.plan.number} ({each.plan.fault}, {each.plan.work}): "
        + "; ".join(each.count.words[:6])
        for each in troubled[:40]
    ]
    return "\n".join(lines)


def write_report(text: str) -> None:
    """Put the report in its place in docs/faults.md."""
    page = REPORT.read_text("utf-8")
    part = re.compile(r"(<!-- report -->\n).*(<!-- end of report -->)", re.DOTALL)
    REPORT.write_text(part.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page), "utf-8")


@contextmanager
def reported(campaign: Campaign, *, planned: int, skipped: frozenset[str]) -> Iterator[None]:
    """Say what came of the rounds in the block, however it ends; at full size docs/faults.md says it, too."""
    began_at = time.monotonic()
    try:
        yield
    finally:
        if campaign.rounds:
            text = report(campaign, planned=planned, skipped=skipped, seconds=time.monotonic() - began_at)
            print(text, flush=True)  # noqa: T201
            if IS_FULL:
                write_report(text)


# Running it ------------------------------------------------------------------------------------------------------


def choose_seed() -> int:
    """LEADSYS_FAULT_SEED, else one of this moment; printed either way."""
    seed = int(os.environ.get("LEADSYS_FAULT_SEED") or time.time_ns() % 1_000_000)
    print(f"LEADSYS_FAULT_SEED={seed}", flush=True)  # noqa: T201
    return seed


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Whoever ends the block by a signal has everything in it come to its end, as by Ctrl-C; once is enough."""

    def end(number: int, _frame: object) -> None:
        for each in ENDED_BY:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, end) for number in ENDED_BY}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def open_campaign(seed: int) -> Iterator[tuple[Campaign, frozenset[str]]]:
    """A stack of its own with a mail server to send to; and the faults that are not possible here."""
    with ended_in_order(), ExitStack() as stack_of:
        folder = Path(stack_of.enter_context(tempfile.TemporaryDirectory(prefix="leadsys-faults-")))
        folder.chmod(0o755)
        place = folder / "disk"
        place.mkdir(mode=0o755)
        can_fill = stack_of.enter_context(small_disk(place))
        skipped = frozenset() if can_fill else frozenset({"disk full"})
        if skipped:
            print("SKIPPED: disk full, which needs a small file system that only root may mount", flush=True)  # noqa: T201
        sink = stack_of.enter_context(mail_sink(random.Random(seed), slowest_ms=12))
        settings = {
            "LEADSYS_SMTP_HOST": "127.0.0.1",
            "LEADSYS_SMTP_PORT": str(sink.port),
            "LEADSYS_SMTP_TLS": "0",
            "LEADSYS_LOG_LEVEL": "WARNING",
        }
        stack = start(place, settings)
        stack_of.callback(clear, stack)
        hands = stack_of.enter_context(Hands(stack.environment(), folder))
        campaign = Campaign(seed, stack, hands, sink, folder)
        stack_of.callback(campaign.second.end)
        yield campaign, skipped


def main(rounds: int) -> int:
    """The campaign at full size; the number of rounds in which something was not as it should be."""
    seed = choose_seed()
    with (
        open_campaign(seed) as (campaign, skipped),
        reported(campaign, planned=rounds, skipped=skipped),
    ):
        campaign.run(draw_plans(seed, rounds=rounds, without=skipped))
    return sum(not each.count.is_clean for each in campaign.rounds)


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]) if len(sys.argv) > 1 else 300) else 0)
