# SPDX-License-Identifier: Apache-2.0
"""The command group, its exit codes, and the one place where errors become sentences."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import _native
from . import show

COMMANDS = {
    "run": ("run", "run", "Run a script on your data: encrypt, upload, run, fetch, decrypt."),
    "attest": ("attest", "attest", "Verify an executor and say what was and was not checked."),
    "verify-evidence": ("attest", "verify_evidence", "Judge evidence in a file, without any executor."),
    "verify": ("receipt", "verify", "Judge a proof of what ran, without any executor."),
    "receipt": ("receipt", "receipt", "Proofs of what ran: fetch, look at, judge, export."),
    "trust": ("trust", "trust", "Write trust files, sign for measurements, enrol TPMs."),
    "explain-trust": ("attest", "explain_trust", "Say in sentences what a trust file accepts."),
    "info": ("attest", "info", "Show what an executor offers."),
    "keygen": ("keys", "keygen", "Make an identity."),
    "id": ("keys", "show_id", "Print this party's id."),
    "encrypt": ("files", "encrypt", "Seal a file on this machine."),
    "decrypt": ("files", "decrypt", "Open a sealed file with its key."),
    "function": ("function", "function", "Register and look at functions."),
    "builtins": ("builtin", "builtins", "The native functions that executors have."),
    "data": ("data", "data", "Register, upload and look at data."),
    "task": ("task", "task", "Create, approve, run and look at tasks of several parties."),
    "party": ("party", "party", "Enrol, invite, look at parties, and govern them."),
    "organisation": ("organisation", "organisation", "Organisations, their members and managers."),
    "audit": ("audit", "audit", "Who did what to what, and when, as far as it concerns you."),
}
"""Command -> module, attribute, one line for the list. Modules are loaded when their command is used."""


class Commands(click.Group):
    """The commands, loaded one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        import importlib

        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f".{module}", __package__), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in show.EXIT_CODES.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_native.VERSION, prog_name="cella")
@click.option("--debug", is_flag=True, help="Show Python tracebacks of errors.")
@click.pass_context
def cella(context: click.Context, debug: bool) -> None:
    """Run Python scripts on data that nobody but their owners may see.

    The executor is verified before anything is sent; inputs are encrypted here, and only their receivers can open
    results. Start with: cella run SCRIPT --at HOST:PORT
    """
    context.obj = {"debug": debug}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        The exit code, one of show.EXIT_CODES.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given[:2]
    as_json = "--json" in given
    try:
        code: Any = cella.main(given, prog_name="cella", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        show.note("cella: interrupted")
        return 130
    except click.ClickException as problem:
        problem.show()
        return 2
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except (Exception, KeyboardInterrupt) as problem:
        if debug:
            import traceback

            traceback.print_exc()
        if isinstance(problem, KeyboardInterrupt):
            show.note("cella: interrupted")
        else:
            show.error(problem, as_json)
        return show.exit_code_of(problem)


def _silence_stdout() -> None:
    """The reader of a pipe went away: nothing is left to say, not even at the interpreter's end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
