"""Money: kept in minor units as a whole number, written and sent in units of the currency."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from tenancy.currencies import CURRENCIES
from tenancy.errors import FieldProblem, Invalid

# ISO 4217: currencies whose minor unit is not a hundredth.
_EXPONENTS: Final[dict[str, int]] = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}
MAX_AMOUNT_MINOR: Final = 10**15


class InvalidAmount(Invalid):
    """Not an amount of money in this currency."""


def minor_digits(currency: str) -> int:
    """How many decimals the currency has: 2 for BRL, 0 for JPY (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def read_currency(raw: Any) -> str:
    """The ISO 4217 code that a text means. Raises InvalidAmount."""
    code = raw.strip().upper() if isinstance(raw, str) else ""
    if code not in CURRENCIES:
        message = _("Give a currency by its three letters, as BRL.")
        raise InvalidAmount(message, errors=[FieldProblem("currency", "invalid", message)])
    return code


def read_amount(raw: Any, *, currency: str) -> int:
    """An amount in minor units, from a number or its digits as a text ("1234.56"). Raises InvalidAmount."""
    try:
        if isinstance(raw, bool) or not isinstance(raw, int | float | str | Decimal):
            raise InvalidOperation
        amount = Decimal(str(raw).strip())
        minor = amount.scaleb(minor_digits(currency))
        is_good = amount.is_finite() and 0 <= minor <= MAX_AMOUNT_MINOR and minor == minor.to_integral_value()
        # 1e-999999999 scales to nothing, and 1e999999999 overflows.
        is_good = is_good and bool(minor) == bool(amount)
    except ArithmeticError:
        is_good = False
    if not is_good:
        message = _("Give an amount in %(currency)s, 0 or more, with at most %(digits)s decimals.") % {
            "currency": currency,
            "digits": minor_digits(currency),
        }
        raise InvalidAmount(message, errors=[FieldProblem("amount", "invalid", message)])
    return int(minor)


def amount_in_units(minor: int, *, currency: str) -> Decimal:
    """Minor units as the currency's units: 123456 in BRL is 1234.56."""
    return Decimal(minor).scaleb(-minor_digits(currency))


def money_words(minor: int | None, currency: str | None) -> str:
    """An amount as the reader writes it, with its currency; nothing if it is not known."""
    if minor is None or not currency:
        return ""
    amount = amount_in_units(minor, currency=currency)
    return f"{currency} {number_format(amount, decimal_pos=minor_digits(currency), use_l10n=True, force_grouping=True)}"
