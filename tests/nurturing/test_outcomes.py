"""What becomes of messages: kept, sent once, tried again later, given up, or unknown."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.due import sweep_tenant
from leads.models import Consent, Lead
from nurturing.models import Message, Suppression
from nurturing.sending import LEASE, Delivery, Outcome, Sender, ServerAway, claim_message, settle
from nurturing.services import MessageNotRetriable, enroll_lead, send_again
from tenancy.models import Membership, Role
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.nurturing.sequences import publish_sequence

MINUTE = timedelta(minutes=1)


@dataclass
class Postman:
    """A carrier that does as it is told and remembers what it was given."""

    answers: list[Outcome] = field(default_factory=list)
    is_away: bool = False
    given: list[int] = field(default_factory=list)

    def ready(self) -> None:
        if self.is_away:
            raise ServerAway("nobody home")

    def hand_over(self, message: Message) -> Delivery:
        self.given.append(message.pk)
        return Delivery(self.answers.pop(0) if self.answers else Outcome.ACCEPTED, "250 said")

    def close(self) -> None:
        """Nothing to let go."""


@pytest.fixture
def marketing(in_tenant: Any) -> Membership:
    return make_member(role=Role.MARKETING)


def queue(marketing: Membership, *, count: int = 1, domain: str = "cliente.com.br") -> list[Lead]:
    """Leads to whom a message waits."""
    publish_sequence()
    leads = [make_lead(stage="nurture", email=f"ana{number}@{domain}") for number in range(count)]
    for lead in leads:
        enroll_lead(lead_id=lead.pk, sequence="trial", by=marketing, now=NOW)
    sweep_tenant(tenant_id=marketing.tenant_id, now=NOW)
    assert Message.objects.filter(state="queued").count() == count
    return leads


def turn(postman: Postman | None, *, now: datetime = NOW, sender: Sender | None = None) -> None:
    (sender or Sender()).take_turn(carrier=postman, clock=lambda: now)


def states() -> list[str]:
    return list(Message.objects.order_by("id").values_list("state", flat=True))


def test_without_a_mail_server_messages_are_kept(marketing: Membership) -> None:
    queue(marketing, count=3)
    turn(None)
    assert states() == ["kept"] * 3


def test_a_message_is_handed_over_once(marketing: Membership) -> None:
    queue(marketing, count=3)
    postman = Postman()
    for minutes in (0, 1, 60):
        turn(postman, now=NOW + minutes * MINUTE)
    assert states() == ["sent"] * 3
    assert len(postman.given) == len(set(postman.given)) == 3


def test_an_address_that_can_not_exist_is_never_handed_over(marketing: Membership) -> None:
    queue(marketing, domain="cliente.example")
    postman = Postman()
    turn(postman)
    assert (states(), postman.given) == (["kept"], [])


def test_a_message_is_tried_again_after_a_while_and_then_given_up(marketing: Membership) -> None:
    queue(marketing)
    postman = Postman([Outcome.TRY_LATER] * 9)
    turn(postman)
    turn(postman, now=NOW + MINUTE / 2)
    assert (states(), len(postman.given)) == (["queued"], 1)
    for hours in range(1, 12):
        turn(postman, now=NOW + timedelta(hours=hours))
    assert (states(), len(postman.given)) == (["failed"], 5)


def test_an_address_that_does_not_exist_is_not_written_to_again(marketing: Membership) -> None:
    (lead,) = queue(marketing)
    turn(Postman([Outcome.NO_SUCH_ADDRESS]))
    assert states() == ["failed"]
    assert Suppression.objects.get().reason == "refused"
    from leads.pipeline import Reason, run_pipeline

    publish_sequence(key="second")
    run_pipeline(lead_ids=[lead.pk], reason=Reason("event"), now=NOW + MINUTE)
    assert not lead.enrollments.filter(state="active").exists()


def test_a_broken_connection_leaves_the_message_unknown_and_nobody_repeats_it(marketing: Membership) -> None:
    queue(marketing)
    postman = Postman([Outcome.UNKNOWN])
    for hours in (0, 1, 30):
        turn(postman, now=NOW + timedelta(hours=hours))
    assert (states(), len(postman.given)) == (["unknown"], 1)


def test_a_message_whose_worker_died_is_unknown_when_its_lease_ends(marketing: Membership) -> None:
    queue(marketing)
    assert claim_message(tenant_id=marketing.tenant_id, now=NOW) is not None
    postman = Postman()
    turn(postman, now=NOW + LEASE - MINUTE)
    assert states() == ["sending"]
    turn(postman, now=NOW + LEASE)
    assert (states(), postman.given) == (["unknown"], [])


def test_an_answer_that_comes_after_the_lease_is_still_believed(marketing: Membership) -> None:
    queue(marketing)
    message = claim_message(tenant_id=marketing.tenant_id, now=NOW)
    assert message is not None
    turn(Postman(), now=NOW + LEASE)
    settle(
        message=message,
        delivery=Delivery(Outcome.ACCEPTED),
        tenant_id=marketing.tenant_id,
        now=NOW + 2 * LEASE,
    )
    assert states() == ["sent"]


def test_an_answer_to_an_attempt_that_is_not_the_last_counts_for_nothing(marketing: Membership) -> None:
    queue(marketing)
    first = claim_message(tenant_id=marketing.tenant_id, now=NOW)
    assert first is not None
    turn(Postman(), now=NOW + LEASE)
    send_again(message=Message.objects.get(), by=marketing, now=NOW + LEASE)
    assert claim_message(tenant_id=marketing.tenant_id, now=NOW + LEASE) is not None
    settle(message=first, delivery=Delivery(Outcome.ACCEPTED), tenant_id=marketing.tenant_id, now=NOW + LEASE)
    assert states() == ["sending"]


def test_while_the_server_is_away_messages_wait_and_it_is_left_alone(marketing: Membership) -> None:
    queue(marketing)
    sender, postman = Sender(), Postman(is_away=True)
    turn(postman, sender=sender)
    postman.is_away = False
    turn(postman, sender=sender, now=NOW + MINUTE / 2)
    assert (states(), Message.objects.get().attempts) == (["queued"], 0)
    turn(postman, sender=sender, now=NOW + MINUTE)
    assert states() == ["sent"]


def test_who_unsubscribes_while_a_message_waits_does_not_get_it(marketing: Membership) -> None:
    (lead,) = queue(marketing)
    Consent.objects.create(
        lead=lead, purpose="marketing", basis="consent", given_at=NOW, withdrawn_at=NOW, source="api"
    )
    postman = Postman()
    turn(postman)
    assert (states(), postman.given) == (["cancelled"], [])
    assert Message.objects.get().error == "unsubscribed"


def test_a_person_sends_a_message_again_whose_outcome_is_unknown(marketing: Membership) -> None:
    queue(marketing)
    turn(Postman([Outcome.UNKNOWN]))
    message = Message.objects.get()
    send_again(message=message, by=marketing, now=NOW + MINUTE)
    turn(Postman(), now=NOW + MINUTE)
    assert states() == ["sent"]
    with pytest.raises(MessageNotRetriable):
        send_again(message=message, by=marketing, now=NOW + MINUTE)


def test_each_tenant_gets_its_own_messages_sent(tenant: Any, other_tenant: Any) -> None:
    postman = Postman()
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            queue(make_member(role=Role.MARKETING), count=2)
    turn(postman)
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            assert states() == ["sent", "sent"]
    assert len(set(postman.given)) == 4
