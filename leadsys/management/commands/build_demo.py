"""Make the demo tenant: its people at once, its four months of history in a few minutes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from leadsys.demo.marketing import come_again, keep_campaigns
from leadsys.demo.people import ensure_people, lines
from leadsys.demo.story import tell_story


class Command(BaseCommand):
    help = "Makes the demo tenant. With --people only its persons, and prints how to sign in as each."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--people", action="store_true", help="only the tenant and its people")
        parser.add_argument("--days", type=int, default=120, help="how many days of history (default 120)")
        parser.add_argument("--leads", type=int, default=2000, help="about how many leads (default 2000)")
        parser.add_argument(
            "--seed", type=int, default=7, help="the same seed tells the same story (default 7)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        tenant = ensure_people(now=now)
        if options["people"]:
            for line in lines():
                self.stdout.write(line)
            return
        for told in tell_story(
            tenant=tenant, now=now, days=options["days"], leads=options["leads"], seed=options["seed"]
        ):
            self.stderr.write(told)
        keep_campaigns(tenant=tenant, now=now, days=options["days"], seed=options["seed"])
        come_again(tenant=tenant, now=now)
