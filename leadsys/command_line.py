"""Django's commands in a process of their own."""

from django.core.management import BaseCommand, ManagementUtility

from core.memory import keep_what_is_loaded


class CommandLine(ManagementUtility):
    """Runs the command that the arguments name. Whoever makes it has the garbage collector disabled while code is loaded."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """The command, with all of its code."""
        command = super().fetch_command(subcommand)
        keep_what_is_loaded()
        return command
