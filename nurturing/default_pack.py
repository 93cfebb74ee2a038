"""Nurturing's part of the default pack: the sequence for leads that come back from sales or can't be reached."""

from datetime import datetime
from typing import Any, Final

from leads.models import RuleKind
from leads.reasons import RE_ENGAGEMENT
from leads.versions import publish_default
from tenancy.models import Membership, Tenant

# Between the first message and the condition: who did anything in that time has come back.
_FIRST_WAIT_DAYS: Final = 14
_SECOND_WAIT_DAYS: Final = 21


def publish_default_sequences(tenant: Tenant, admin: Membership | None, now: datetime) -> None:
    """A new tenant's part of the default pack."""
    publish_default(
        kind=RuleKind.SEQUENCE, document=default_re_engagement(), by=admin, now=now, name=RE_ENGAGEMENT
    )


def default_re_engagement() -> dict[str, Any]:
    """Three messages over five weeks: the first at once, the last only to those who stayed silent.

    They fit each reason that names the sequence: no budget, no authority, no need, bad timing, no answer, returned.
    """
    return {
        "key": RE_ENGAGEMENT,
        "label": {"en": "Re-engagement", "pt-br": "Reengajamento"},
        "purpose": "marketing",
        "from_name": None,
        "steps": [
            {"id": "in_touch", "kind": "email", "template": {"en": _IN_TOUCH_EN, "pt-br": _IN_TOUCH_PT}},
            {"id": "two_weeks", "kind": "wait", "days": _FIRST_WAIT_DAYS},
            {"id": "questions", "kind": "email", "template": {"en": _QUESTIONS_EN, "pt-br": _QUESTIONS_PT}},
            {"id": "three_weeks", "kind": "wait", "days": _SECOND_WAIT_DAYS},
            {
                "id": "came_back",
                "kind": "condition",
                "when": {
                    "fact": "event_count",
                    "days": _FIRST_WAIT_DAYS + _SECOND_WAIT_DAYS,
                    "op": "gte",
                    "value": 1,
                },
                "then": "exit",
                "else": None,
            },
            {"id": "last_word", "kind": "email", "template": {"en": _LAST_WORD_EN, "pt-br": _LAST_WORD_PT}},
        ],
        "exit_when": None,
    }


_IN_TOUCH_EN: Final = {
    "subject": "{% if lead.first_name %}{{ lead.first_name }}, whenever{% else %}Whenever{% endif %} the time is right",
    "body_markdown": """\
Hello{% if lead.first_name %} {{ lead.first_name }}{% endif %},

Thank you for your interest. It seems that now is not the moment{% if company.name %} for {{ company.name }}{% endif %}, \
and that is fine.

We would rather be useful than insistent, so this is what to expect:

- Over the next weeks you get two more messages from us at most, both short.
- If anything changes on your side, just answer this e-mail. A person reads it.

Is there one question that would have to be answered before you look at this again? Tell us, and we will come back with \
the answer instead of a sales pitch.

Kind regards,\\
{{ sender.name }}
""",
}

_IN_TOUCH_PT: Final = {
    "subject": "{% if lead.first_name %}{{ lead.first_name }}, quando{% else %}Quando{% endif %} for a hora certa",
    "body_markdown": """\
Olá{% if lead.first_name %}, {{ lead.first_name }}{% endif %}!

Obrigado pelo seu interesse. Ao que tudo indica, este não é o melhor momento\
{% if company.name %} para {{ company.name }}{% endif %}, e está tudo bem.

Preferimos ser úteis a insistir. Então combinamos assim:

- Nas próximas semanas, você recebe no máximo mais duas mensagens nossas, e bem curtas.
- Se algo mudar por aí, é só responder a este e-mail. Quem lê é uma pessoa.

Existe alguma dúvida que precisa ser resolvida antes de você retomar o assunto? Conte para nós: voltamos com a resposta, \
e não com um discurso de vendas.

Um abraço,\\
{{ sender.name }}
""",
}

_QUESTIONS_EN: Final = {
    "subject": "Four questions for when you look at this again",
    "body_markdown": """\
Hello{% if lead.first_name %} {{ lead.first_name }}{% endif %},

Before a project like this begins, four questions decide whether it ends well. They cost a quarter of an hour and are \
worth it whoever you buy from, or if you don't buy at all:

1. **What does it cost to leave things as they are?** In hours or in money, each month.
2. **Who has to agree?** And what does each of them need to see first?
3. **When does it have to work?** And what happens if it comes three months later?
4. **How will you know in a year that it was worth it?** One number is enough.

If you like, send us your answers, however rough. You get an honest opinion back, also if it is “you don't need us”.

Kind regards,\\
{{ sender.name }}
""",
}

_QUESTIONS_PT: Final = {
    "subject": "Quatro perguntas para quando você retomar o assunto",
    "body_markdown": """\
Olá{% if lead.first_name %}, {{ lead.first_name }}{% endif %}!

Antes de um projeto como este começar, quatro perguntas decidem se ele vai terminar bem. Elas pedem quinze minutos e \
valem a pena seja quem for o fornecedor, e até se você não comprar nada:

1. **Quanto custa deixar tudo como está?** Em horas ou em reais, por mês.
2. **Quem precisa concordar?** E o que cada pessoa precisa ver antes?
3. **Quando isso precisa estar funcionando?** E o que acontece se atrasar três meses?
4. **Como você vai saber, daqui a um ano, que valeu a pena?** Um número basta.

Se quiser, mande suas respostas, mesmo que ainda em rascunho. Você recebe uma opinião honesta, ainda que seja “vocês não \
precisam de nós”.

Um abraço,\\
{{ sender.name }}
""",
}

_LAST_WORD_EN: Final = {
    "subject": "Shall we leave it here?",
    "body_markdown": """\
Hello{% if lead.first_name %} {{ lead.first_name }}{% endif %},

We have not heard from you, so this is the last message of this series. No hard feelings: other things were more \
important, and you know best which.

If the subject is still on your list, a single line is enough, even “not before summer”. Then we know when to get in \
touch, and when not to.

And if not, we leave it here. You know where to find us.

Kind regards,\\
{{ sender.name }}
""",
}

_LAST_WORD_PT: Final = {
    "subject": "Encerramos por aqui?",
    "body_markdown": """\
Olá{% if lead.first_name %}, {{ lead.first_name }}{% endif %}!

Como não tivemos notícias suas, esta é a última mensagem desta série. Sem problema nenhum: outras coisas foram mais \
importantes, e ninguém sabe disso melhor do que você.

Se o assunto ainda está na sua lista, uma linha basta, nem que seja “só no segundo semestre”. Assim sabemos quando falar \
com você, e quando não.

Se não, paramos por aqui. Você sabe onde nos encontrar.

Um abraço,\\
{{ sender.name }}
""",
}
