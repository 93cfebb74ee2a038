"""How allauth signs people in here: by invitation only, e-mail as login."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from tenancy.rates import client_address


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up by themselves: an administrator's invitation makes the login."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
