"""What the ``holidays`` package knows of countries: their public holidays, and in which states these differ.

The package is loaded by who asks first: it takes sixteen megabytes and a third of a second, which most processes can spare.
"""

from collections.abc import Iterable
from datetime import date
from functools import cache, lru_cache
from typing import Final

from django.utils.translation import get_language, to_locale

from routing.business_time import FIRST_YEAR, LAST_YEAR

_MOST_YEARS: Final = 50


class UnknownHolidays(ValueError):
    """No national holidays are known for the country or the years asked for."""


def national_holidays(
    *, country: str, years: Iterable[int], subdivision: str | None = None
) -> frozenset[date]:
    """The public holidays of a country (ISO 3166 alpha-2) in these years.

    With ``subdivision`` (the package's code, as SP) those of this state or region too. Raises UnknownHolidays for a country or
    subdivision without a list, for more than fifty years, and for years outside 1900–2200.
    """
    wanted = tuple(sorted(set(years)))
    if not wanted:
        return frozenset()
    if len(wanted) > _MOST_YEARS or wanted[0] < FIRST_YEAR or wanted[-1] > LAST_YEAR:
        raise UnknownHolidays(f"ask for at most {_MOST_YEARS} years between {FIRST_YEAR} and {LAST_YEAR}")
    return _national_holidays(country.upper(), subdivision, wanted)


@lru_cache(maxsize=128)
def _national_holidays(country: str, subdivision: str | None, years: tuple[int, ...]) -> frozenset[date]:
    from holidays import country_holidays

    try:
        return frozenset(country_holidays(country, subdiv=subdivision, years=years))
    except NotImplementedError as error:
        raise UnknownHolidays(f"no national holidays are known for country {country!r}") from error


def named_holidays(*, country: str | None, subdivision: str | None, year: int) -> list[tuple[date, str]]:
    """The days of a year in order with their names, in the reader's language where the package has it; none without a country."""
    from holidays import country_holidays

    if not country:
        return []
    known = country_holidays(country, subdiv=subdivision)
    language = to_locale(get_language() or "en")
    spoken = [each for each in known.supported_languages if each.split("_")[0] == language.split("_")[0]]
    named = country_holidays(country, subdiv=subdivision, years=year, language=spoken[0] if spoken else None)
    return sorted(named.items())


@cache
def list_countries() -> tuple[str, ...]:
    """The codes (ISO 3166 alpha-2) of the countries whose holidays are known."""
    from holidays import list_supported_countries

    return tuple(sorted(code for code in list_supported_countries() if len(code) == 2))


@cache
def list_subdivisions(country: str) -> tuple[tuple[str, str], ...]:
    """Code and name of the states or regions of a country that have holidays of their own, by name."""
    from holidays import country_holidays

    names = country_holidays(country).get_subdivision_aliases() if country in list_countries() else {}
    return tuple(
        sorted(((code, names[code][0] if names[code] else code) for code in names), key=lambda each: each[1])
    )
