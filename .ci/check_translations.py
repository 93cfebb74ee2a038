"""Are all texts translated? Exits 1 naming each that is missing, doubtful or no longer used, or compiled from an older state.

With ``--write`` the catalogues are brought up to date instead (new texts are added untranslated) and compiled. Needs gettext;
without it the check is skipped loudly, and fails where LEADSYS_REQUIRE_BROWSER=1.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SOURCES = (".py", ".html", ".txt")
SKIPPED = {"static", "tests", "benchmarks", "docs"}
FIRST_LANGUAGE = "pt_BR"


def main() -> int:
    """Check or write; the exit code."""
    if not all(
        shutil.which(program) for program in ("xgettext", "msgmerge", "msgfmt", "msgattrib", "msguniq")
    ):
        print(
            "SKIPPED: gettext is not installed, so the translations were NOT checked (package gettext).",
            file=sys.stderr,
        )
        return int(os.environ.get("LEADSYS_REQUIRE_BROWSER") == "1")
    if "--write" in sys.argv[1:]:
        make_messages(PROJECT)
        for catalogue in catalogues(PROJECT):
            compile_catalogue(catalogue, catalogue.with_suffix(".mo"))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        copy_sources(copy)
        make_messages(copy)
        found = [problem for catalogue in catalogues(copy) for problem in problems_of(catalogue, copy=copy)]
    for problem in found:
        print(problem)
    if found:
        print(f"{len(found)} texts to mend. Run make messages, translate, run it again.")
    else:
        print("All texts are translated.")
    return int(bool(found))


def catalogues(root: Path) -> list[Path]:
    """The catalogues of all languages."""
    return sorted((root / "locale").glob("*/LC_MESSAGES/*.po"))


def copy_sources(copy: Path) -> None:
    """Copy what texts are collected from, and the catalogues."""
    for path in sorted(PROJECT.iterdir()):
        if path.name.startswith(".") or path.name in SKIPPED:
            continue
        if path.is_dir():
            shutil.copytree(
                path,
                copy / path.name,
                ignore=lambda folder, names: [each for each in names if not wanted(folder, each)],
            )
    (copy / "locale").mkdir(exist_ok=True)


def wanted(folder: str, name: str) -> bool:
    """Whether a file or folder is copied."""
    if (Path(folder) / name).is_dir():
        return name != "__pycache__"
    return name.endswith((*SOURCES, ".po", ".mo"))


def make_messages(root: Path) -> None:
    """Bring the catalogues under ``root`` up to date with its sources."""
    languages = sorted({path.parents[1].name for path in catalogues(root)}) or [FIRST_LANGUAGE]
    command = [sys.executable, "-m", "django", "makemessages", "--no-location", "--no-wrap"]
    for skipped in (*SKIPPED, ".*"):
        command += ["--ignore", skipped]
    for language in languages:
        command += ["--locale", language]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"makemessages failed:\n{done.stdout}{done.stderr}")


def problems_of(catalogue: Path, *, copy: Path) -> list[str]:
    """One line for each text that is not in order."""
    name = catalogue.relative_to(copy)
    problems = []
    for option, complaint in (
        ("--untranslated", "not translated"),
        ("--only-fuzzy", "doubtful (fuzzy)"),
        ("--only-obsolete", "no longer used"),
    ):
        listed = subprocess.run(
            ["msgattrib", option, "--no-wrap", str(catalogue)], capture_output=True, text=True, check=True
        ).stdout
        texts = re.findall(r'^(?:#~ )?msgid ((?:".*"\n?(?:#~ )?)+)', listed, flags=re.MULTILINE)
        problems += [f"{name}: {complaint}: {text.strip()}" for text in texts if text.strip() != '""']
    compiled = catalogue.with_suffix(".mo")
    fresh = catalogue.with_suffix(".fresh")
    said = compile_catalogue(catalogue, fresh)
    if said:
        problems.append(f"{name}: {said}")
    elif not compiled.exists() or contents(compiled) != contents(fresh):
        problems.append(f"{name.with_suffix('.mo')}: compiled from an older state")
    return problems


def compile_catalogue(catalogue: Path, target: Path) -> str:
    """Compile; what the compiler complains of, empty if nothing."""
    done = subprocess.run(
        ["msgfmt", "--check-format", "-o", str(target), str(catalogue)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


def contents(compiled: Path) -> list[str]:
    """The texts of a compiled catalogue, without its dates."""
    texts = subprocess.run(["msgunfmt", str(compiled)], capture_output=True, text=True, check=True).stdout
    return [line for line in texts.splitlines() if not line.startswith('"POT-Creation-Date')]


if __name__ == "__main__":
    sys.exit(main())
