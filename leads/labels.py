"""Words of rule documents: one text, or one for each language."""

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from leads.versions import path_problem
from tenancy.errors import FieldProblem

MAX_LABEL_LENGTH: Final = 200


@dataclass(frozen=True)
class Label:
    """A text in one or more languages; ``str()`` gives it in the active one, else in English, else as it was written first."""

    texts: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        texts = dict(self.texts)
        active = (get_language() or "").lower()
        return texts.get(active) or texts.get("en") or self.texts[0][1]

    def as_json(self) -> dict[str, str]:
        """The texts by language, as a document has them."""
        return dict(self.texts)


def read_label(
    raw: Any, *, path: str, problems: list[FieldProblem], most: int = MAX_LABEL_LENGTH
) -> Label | None:
    """A label given as a text or as ``{"en": …, "pt-br": …}``; what is wrong with it is added to ``problems``.

    ``most`` is how many characters each text may have.
    """
    texts = {settings.LANGUAGE_CODE: raw} if isinstance(raw, str) else raw
    if not isinstance(texts, dict) or not texts:
        problems.append(path_problem(path, _("Give a label: a text, or one for each language.")))
        return None
    known = dict(settings.LANGUAGES)
    before = len(problems)
    for language, text in texts.items():
        if language not in known:
            message = _("%(language)s is not a language of LeadSys; use %(known)s.")
            values = {"language": language, "known": ", ".join(known)}
            problems.append(path_problem(f"{path}.{language}", message % values))
        elif not isinstance(text, str) or not text.strip() or len(text) > most:
            message = _("Give a text of 1 to %(count)s characters.")
            problems.append(path_problem(f"{path}.{language}", message % {"count": most}))
    if len(problems) > before:
        return None
    return Label(tuple((language, text.strip()) for language, text in texts.items()))
