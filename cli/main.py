"""``cairn NOUN VERB``: finds the noun's file, loads only that, and turns errors into one line."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import Any

import typer
import typer.core
import typer.main
from typer.exceptions import TyperException

# noun -> (module, what it is about); verbs that stand alone are commands of their module's app
NOUNS = {
    "source": ("cli.source", "Senders and their tokens."),
    "activity": ("cli.activity", "Send learner activity through the gateway."),
    "roster": ("cli.roster", "Load OneRoster packages."),
    "pickup": ("cli.pickup", "Fetch rosters and files where others leave them."),
    "competencies": ("cli.competencies", "Load CASE frameworks."),
    "items": ("cli.items", "Load item alignments."),
    "resources": ("cli.resources", "Load corrective resources by competency."),
    "assessments": ("cli.assessments", "Load assessment results."),
    "facts": ("cli.facts", "Load attendance, costs, dosage, milestones and other facts."),
    "night": ("cli.night", "Run, see and resume a night by hand."),
    "intake": ("cli.intake", "Kafka to lake, and the books."),
    "lake": ("cli.lake", "Upkeep of the tables."),
    "mastery": ("cli.mastery", "Fit, update, evaluate and explain mastery."),
    "live": ("cli.live", "The live table, and its comparison with nights."),
    "marts": ("cli.marts", "Build, publish and compare releases."),
    "publications": ("cli.publications", "Protected tables: published on fixed days, audited, blocked."),
    "feeds": ("cli.feeds", "Write and send the schools' feeds."),
    "pilots": ("cli.pilots", "Plans, evaluations and decisions."),
    "rollout": ("cli.rollout", "Rollout metrics."),
    "vault": ("cli.vault", "Backup, restore and keys of who is who."),
    "students": ("cli.students", "Who is who, for those entitled; logged."),
    "disclosures": ("cli.disclosures", "Who was shown whose names."),
    "simulate": ("cli.simulate", "A simulated district with known truth."),
    "account": ("cli.account", "Portal accounts."),
}
COMMANDS = {
    "demo": ("cli.demo", "A simulated district through every stage, and the addresses to open."),
    "up": ("cli.stack", "Start the local stack, or continue after a crash."),
    "down": ("cli.stack", "Stop the local stack; nothing stays running."),
    "status": ("cli.stack", "Services, states, addresses."),
    "logs": ("cli.stack", "A service's log."),
    "doctor": ("cli.stack", "Check Python, Java, memory, disk, jars, ports."),
}


class LazyGroup(typer.core.TyperGroup):
    """Loads a noun's module when it is asked for: ``cairn --help`` imports nothing heavy."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command and noun, in the order of the tables above."""
        return [*COMMANDS, *NOUNS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, imported now; None where there is none."""
        if cmd_name in NOUNS:
            group = typer.main.get_group(importlib.import_module(NOUNS[cmd_name][0]).app)
            group.name = cmd_name
            return group
        if cmd_name in COMMANDS:
            return typer.main.get_group(importlib.import_module(COMMANDS[cmd_name][0]).app).commands[cmd_name]
        return None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The two tables, without importing what they name."""
        formatter.write_usage("cairn", "[--debug] NOUN VERB [OPTIONS]")
        formatter.write_paragraph()
        formatter.write_text("Cairn: from a learner's answer to a principal's page.")
        for title, table in (("The stack", COMMANDS), ("Nouns", NOUNS)):
            with formatter.section(title):
                formatter.write_dl([(name, about) for name, (_, about) in table.items()])
        formatter.write_paragraph()
        formatter.write_text(
            "Start with: make demo. Every command has --help with an example; --debug shows tracebacks."
        )


app = typer.Typer(cls=LazyGroup, add_completion=False)


@app.callback()
def root() -> None:
    """Cairn: from a learner's answer to a principal's page."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``cairn``: exit status 0 done, 1 refused or failed, 2 wrong use."""
    from cairn.errors import CairnError

    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    try:
        status = typer.main.get_command(app).main(args=given, prog_name="cairn", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        status = 1
    except typer.Exit as done:
        status = done.exit_code
    except TyperException as error:
        show = getattr(error, "show", None)
        if show:
            show()
        else:
            sys.stderr.write(f"error: {error}\n")
        status = 2
    except CairnError as error:
        status = error.exit_status
        sys.stderr.write(f"error: {error}\n")
        if debug:
            traceback.print_exc()
    except Exception as error:
        if debug:
            raise
        status = 1
        line = " ".join(str(error).split())[:300]
        sys.stderr.write(f"error: {type(error).__name__}: {line} (run again with --debug for the traceback)\n")
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
