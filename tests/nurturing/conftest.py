"""Sequences among all the steps; people signed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from tests.conftest import NOW

if TYPE_CHECKING:
    from tenancy.models import Membership

    SignIn = Callable[[Membership], Client]
    Pass = Callable[[datetime], None]


@pytest.fixture
def sign_in() -> SignIn:
    """A browser in which a member is signed in, in English."""

    def start(member: Membership) -> Client:
        client = Client(headers={"accept-language": "en"})
        assert member.user is not None
        client.force_login(member.user)
        return client

    return start


@pytest.fixture
def pass_time(tenant: Any) -> Pass:
    """Do in the tenant what workers do at an instant: what is due, then the messages."""
    from core.due import sweep_tenant
    from nurturing.sending import Sender

    def work(now: datetime = NOW) -> None:
        sweep_tenant(tenant_id=tenant.pk, now=now)
        Sender().take_turn(carrier=None, clock=lambda: now)

    return work
