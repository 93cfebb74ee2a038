"""The forms of passkeys in our words: allauth does the rest."""

from typing import Any

from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms
from django.utils.translation import gettext_lazy as _

MAX_NAME_LENGTH = 60


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A new passkey; it signs in alone unless somebody wants it beside the password."""

    name = forms.CharField(
        label=_("Name"),
        help_text=_("By which you know the device: “Work laptop”."),
        max_length=MAX_NAME_LENGTH,
        required=False,
    )
    passwordless = forms.BooleanField(
        label=_("Sign in with it alone, without the password"), required=False, initial=True
    )


class RenamePasskeyForm(EditWebAuthnForm):  # type: ignore[misc]
    """Another name for a passkey."""

    name = forms.CharField(label=_("Name"), max_length=MAX_NAME_LENGTH)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autofocus"] = True
