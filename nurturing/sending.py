"""Messages on their way: kept on the Outbox page where no mail server is configured, sent by SMTP where one is.

E-mail has no rollback. So each message is claimed by itself (sending, with a token of the attempt, committed) before the
server hears of it, and what came of it is written under the same token afterwards. A process that dies in between leaves
the message in sending; when its lease ends it is ``unknown``, because nobody can tell whether it left, and it is not sent
again unless a person says so.
"""

import random
import smtplib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formataddr, parseaddr
from enum import StrEnum
from typing import Any, Final, Protocol

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection

from core.due import may_sweep
from core.metrics import MESSAGES
from nurturing.models import Message, MessageState, Suppression, SuppressionReason
from nurturing.refusals import Refusal, hash_email, list_refusals
from nurturing.walking import unsubscribe_address
from tenancy.scope import TenantSuspended, tenant_scope

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]

BATCH_SIZE: Final = 1000
# Much longer than the time limits of all commands of one message together.
LEASE: Final = timedelta(minutes=10)
RETRY_PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
SERVER_PAUSE: Final = timedelta(minutes=1)
# A worker has other things to do: clocks wait behind it.
TURN: Final = timedelta(seconds=1)
# Names that no mail server in the world serves (RFC 2606, RFC 6761): made-up people of a demo or a test.
_RESERVED: Final = ("example", "invalid", "localhost", "test", "example.com", "example.net", "example.org")
# Answers to RCPT that speak of the address itself (RFC 3463: bad destination mailbox, mailbox moved or disabled).
_NO_SUCH_ADDRESS: Final = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")


class Outcome(StrEnum):
    """What a mail server said of one message, or that it can't be known."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NO_SUCH_ADDRESS = "no_such_address"
    TRY_LATER = "try_later"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Delivery:
    """How one attempt ended; ``words`` are the server's, for people."""

    outcome: Outcome
    words: str = ""


class ServerAway(RuntimeError):
    """No message can be handed over now: the server can't be reached, or doesn't let us in."""


class Carrier(Protocol):
    """Hands messages over to the world, one at a time. ``ready`` raises ServerAway; ``close`` never raises."""

    def ready(self) -> None: ...

    def hand_over(self, message: Message) -> Delivery: ...

    def close(self) -> None: ...


class MailCarrier:
    """Django's configured mail backend, over one connection for a turn."""

    def __init__(self) -> None:
        self._backend: Any = None

    def ready(self) -> None:
        """A living connection: an old one is asked first, so that only what happens to the message itself stays in doubt."""
        if self._backend is not None and not self._is_alive():
            self.close()
        if self._backend is None:
            backend = get_connection()
            try:
                backend.open()
            except (smtplib.SMTPException, OSError) as error:
                raise ServerAway(f"{type(error).__name__}: {error}") from error
            self._backend = backend

    def hand_over(self, message: Message) -> Delivery:
        """Send one message and say what the server said."""
        mail = compose(message, connection_=self._backend)
        try:
            mail.message()
        except ValueError as error:
            return Delivery(Outcome.REFUSED, f"{type(error).__name__}: {error}")
        try:
            self._backend.send_messages([mail])
        except smtplib.SMTPRecipientsRefused as refused:
            code, words = next(iter(refused.recipients.values()))
            return _answer(code, words, is_about_address=True)
        except smtplib.SMTPSenderRefused as refused:
            # It is our own address that is not welcome, now or until the settings are mended.
            return Delivery(Outcome.TRY_LATER, _answer(refused.smtp_code, refused.smtp_error).words)
        except smtplib.SMTPDataError as refused:
            return _answer(refused.smtp_code, refused.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            # The connection broke between the first command and the last answer: the server may have the message.
            self.close()
            return Delivery(Outcome.UNKNOWN, f"{type(error).__name__}: {error}")
        return Delivery(Outcome.ACCEPTED)

    def close(self) -> None:
        """Let the connection go."""
        backend, self._backend = self._backend, None
        if backend is not None:
            try:
                backend.close()
            except (smtplib.SMTPException, OSError) as error:
                log.info("mail connection did not close", error=str(error))

    def _is_alive(self) -> bool:
        smtp = getattr(self._backend, "connection", None)
        if smtp is None:
            return True
        try:
            return bool(smtp.noop()[0] == 250)
        except (smtplib.SMTPException, OSError):
            return False


def _answer(code: int, words: bytes | str, *, is_about_address: bool = False) -> Delivery:
    said = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
    text = f"{code} {said}"[:1000]
    if 400 <= code < 500:
        return Delivery(Outcome.TRY_LATER, text)
    if is_about_address and said.startswith(_NO_SUCH_ADDRESS):
        return Delivery(Outcome.NO_SUCH_ADDRESS, text)
    return Delivery(Outcome.REFUSED, text)


def compose(message: Message, *, connection_: Any = None) -> EmailMultiAlternatives:
    """The e-mail of a message, the same each time: Message-ID, and the headers of RFC 8058 for one-click unsubscribing."""
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    mail = EmailMultiAlternatives(
        subject=message.subject,
        body=message.body_text,
        from_email=formataddr((message.from_name, address)),
        to=[message.to_email],
        reply_to=[message.reply_to] if message.reply_to else None,
        headers={
            "Message-ID": message.message_id,
            "List-Unsubscribe": f"<{unsubscribe_address(token=message.token)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        connection=connection_,
    )
    mail.attach_alternative(message.body_html, "text/html")
    return mail


def configured_carrier() -> Carrier | None:
    """The carrier of this installation; None where mail stays in the Outbox."""
    return MailCarrier() if settings.EMAIL_HOST else None


# Turns -----------------------------------------------------------------------------------------------------------


class Sender:
    """Sends what is due, turn by turn. A server that was away is left alone for a minute."""

    def __init__(self) -> None:
        self._away_until: datetime | None = None

    def take_turn(self, *, carrier: Carrier | None, clock: Clock) -> int:
        """Work on the messages that are due in every tenant for about a second; returns how many were dealt with."""
        begun = clock()
        done = 0
        tenants = _tenants_with_messages_due(begun)
        # Each gets its turn, whoever has the most to send.
        random.shuffle(tenants)
        for tenant_id in tenants:
            try:
                done += self._serve(tenant_id, carrier, clock, begun)
            except TenantSuspended:  # this moment; its messages wait
                continue
        if carrier is not None:
            carrier.close()
        return done

    def _serve(self, tenant_id: int, carrier: Carrier | None, clock: Clock, begun: datetime) -> int:
        with tenant_scope(tenant_id):
            give_up_lost(now=begun)
        if carrier is None:
            return keep_messages(tenant_id=tenant_id, now=begun)
        if self._away_until is None or begun >= self._away_until:
            return self._send(tenant_id, carrier, clock, until=begun + TURN)
        return 0

    def _send(self, tenant_id: int, carrier: Carrier, clock: Clock, *, until: datetime) -> int:
        done = 0
        try:
            while clock() < until:
                carrier.ready()
                message = claim_message(tenant_id=tenant_id, now=clock())
                if message is None:
                    break
                if message.state == MessageState.SENDING:
                    delivery = carrier.hand_over(message)
                    settle(message=message, delivery=delivery, tenant_id=tenant_id, now=clock())
                done += 1
        except ServerAway as away:
            self._away_until = clock() + SERVER_PAUSE
            log.warning("mail server away", error=str(away))
        return done


def _tenants_with_messages_due(now: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenant_id FROM leadsys_tenants_with_messages_due(%s)", [now])
        return [tenant_id for (tenant_id,) in cursor.fetchall()]


def keep_messages(*, tenant_id: int, now: datetime) -> int:
    """Keep what is due in one tenant on the Outbox page, in batches; what may not be sent is cancelled."""
    kept = 0
    while batch := _keep_batch(tenant_id, now):
        kept += batch
        if batch < BATCH_SIZE:
            break
    return kept


def _keep_batch(tenant_id: int, now: datetime) -> int:
    with tenant_scope(tenant_id):
        if not may_sweep(tenant_id):
            return 0
        due = list(_due(now)[:BATCH_SIZE])
        refusals = _refusals(due)
        cancel_messages(refusals=refusals, now=now)
        rest = [message.pk for message in due if message.pk not in refusals]
        Message.objects.filter(pk__in=rest).update(state=MessageState.KEPT, ended_at=now)
        MESSAGES.labels(MessageState.KEPT.value).inc(len(rest))
        return len(due)


def _due(now: datetime) -> Any:
    queued = Message.objects.filter(state=MessageState.QUEUED, due_at__lte=now)
    return queued.order_by("due_at", "id").select_for_update(skip_locked=True, of=("self",))


def _refusals(messages: Sequence[Message]) -> dict[int, Refusal]:
    """Those messages that may not be sent any more, by id."""
    found: dict[int, Refusal] = {}
    for purpose in {message.purpose for message in messages}:
        of_purpose = [message for message in messages if message.purpose == purpose]
        refusals = list_refusals(lead_ids=[message.lead_id for message in of_purpose], purpose=purpose)
        found |= {
            message.pk: refusals[message.lead_id] for message in of_purpose if message.lead_id in refusals
        }
    return found


def cancel_messages(*, refusals: dict[int, Refusal], now: datetime) -> None:
    """Take messages out of the way that may not be sent any more."""
    for refusal in set(refusals.values()):
        ids = [message_id for message_id, why in refusals.items() if why == refusal]
        Message.objects.filter(pk__in=ids).update(
            state=MessageState.CANCELLED, ended_at=now, error=refusal.value
        )
        MESSAGES.labels(MessageState.CANCELLED.value).inc(len(ids))


def is_reserved(email: str) -> bool:
    """Whether an address can't exist outside of examples; it stays in the Outbox whatever is configured."""
    domain = email.rpartition("@")[2].lower()
    return any(domain == name or domain.endswith(f".{name}") for name in _RESERVED)


def claim_message(*, tenant_id: int, now: datetime) -> Message | None:
    """The next message that is due, committed as being sent under a token of its own; or one that was cancelled or kept instead.

    None if there is nothing to do.
    """
    with tenant_scope(tenant_id):
        if not may_sweep(tenant_id):
            return None
        message: Message | None = _due(now).first()
        if message is None:
            return None
        refusals = _refusals([message])
        if refusals:
            cancel_messages(refusals=refusals, now=now)
            return message
        if is_reserved(message.to_email):
            Message.objects.filter(pk=message.pk).update(state=MessageState.KEPT, ended_at=now)
            MESSAGES.labels(MessageState.KEPT.value).inc()
            return message
        message.state = MessageState.SENDING
        message.attempt = uuid.uuid4()
        message.attempts += 1
        message.due_at = now + LEASE
        message.save(update_fields=["state", "attempt", "attempts", "due_at"])
    return message


def settle(*, message: Message, delivery: Delivery, tenant_id: int, now: datetime) -> None:
    """Write what came of an attempt, if it is still the message's last one; a suspension meanwhile doesn't undo it."""
    with tenant_scope(tenant_id, even_suspended=True):
        attempted = Message.objects.filter(
            pk=message.pk,
            attempt=message.attempt,
            # A lease that ended while the server took its time: now it is known after all.
            state__in=[MessageState.SENDING, MessageState.UNKNOWN],
        )
        settled = _settled(message, delivery, now)
        MESSAGES.labels(settled["state"].value).inc(attempted.update(**settled))
        if delivery.outcome == Outcome.NO_SUCH_ADDRESS:
            suppress(email=message.to_email, reason=SuppressionReason.REFUSED, now=now)


def _settled(message: Message, delivery: Delivery, now: datetime) -> dict[str, Any]:
    """The columns that an attempt leaves behind."""
    if delivery.outcome == Outcome.ACCEPTED:
        return {"state": MessageState.SENT, "ended_at": now, "error": ""}
    if delivery.outcome == Outcome.UNKNOWN:
        return {"state": MessageState.UNKNOWN, "ended_at": now, "error": delivery.words}
    if delivery.outcome == Outcome.TRY_LATER and message.attempts <= len(RETRY_PAUSES):
        pause = RETRY_PAUSES[message.attempts - 1]
        return {"state": MessageState.QUEUED, "due_at": now + pause, "error": delivery.words}
    return {"state": MessageState.FAILED, "ended_at": now, "error": delivery.words}


def give_up_lost(*, now: datetime) -> int:
    """Mark messages as unknown whose sender has not come back within its lease; returns how many."""
    lost = Message.objects.filter(state=MessageState.SENDING, due_at__lte=now)
    count = int(lost.update(state=MessageState.UNKNOWN, ended_at=now, error=""))
    MESSAGES.labels(MessageState.UNKNOWN.value).inc(count)
    return count


def suppress(*, email: str, reason: SuppressionReason, now: datetime) -> None:
    """Send no more mail to an address, whatever its lead agrees to."""
    Suppression.objects.get_or_create(email_hash=hash_email(email), defaults={"reason": reason, "at": now})
