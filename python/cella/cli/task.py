# SPDX-License-Identifier: Apache-2.0
"""cella task: create, assign, contract, approve, withdraw, reject, invoke, retry, watch, show, fetch, cancel, list."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from .. import _native
from . import show
from .attest import hexadecimal
from .options import (
    argument_option,
    isolation_of,
    isolation_option,
    json_values,
    limit_option,
    owners,
    pairs,
    parties,
    usage_option,
    with_executor,
)

if TYPE_CHECKING:
    from ..events import Reporter
    from ..executor import Executor
    from ..task import Task

task_argument = click.argument("task_id", metavar="TASK")
nonce_option = click.option("--nonce", metavar="HEX", help="8 to 64 bytes that the receipt of this run will name.")


@click.group()
def task() -> None:
    """Create, approve, run and look at tasks of several parties.

    create -> assign (each owner) -> contract, approve (each participant) -> invoke (creator) -> watch -> fetch
    """


def _tell(found: Task, as_json: bool) -> None:
    if as_json:
        show.event("task", task=found.id, state=found.state, version=found.facts.get("version"))
    else:
        print(f"{found.id}  {found.state}")


@task.command()
@click.argument("function_id", metavar="FUNCTION")
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME=DATA|PARTY", help="Your data, or who will assign it."
)
@click.option("--output", "outputs", multiple=True, metavar="NAME=PARTY,...", help="Who gets it; me is you.")
@click.option("--result", metavar="PARTY,...", help="Who gets the result. Default: you.")
@click.option(
    "--messages",
    metavar="PARTY,...",
    help="Who gets error texts and log, which can contain data. Default: you if nobody else takes part, else nobody.",
)
@click.option("--fusion", multiple=True, metavar="NAME", help="An output that stays in the executor, owned by its receivers.")
@click.option("--auditor", "auditors", multiple=True, metavar="PARTY", help="Whose signature the function needs.")
@click.option("--threshold", type=click.IntRange(min=1), help="How many of the auditors. Default: all of them.")
@click.option("--priority", type=click.IntRange(0, 9), help="Among your own tasks, the higher goes first. Default: 5.")
@click.option("--attempts", type=click.IntRange(1, 10), help="Runs that the approval is for, after failures. Default: 1.")
@click.option("--days", type=click.FloatRange(min=0.0001), help="It ends if it was not invoked within so many days.")
@click.option("--invoke", is_flag=True, help="Queue it at once; only with your own data and nobody else in it.")
@argument_option
@limit_option
@isolation_option
@with_executor
def create(
    executor: Executor,
    function_id: str,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    result: str | None,
    messages: str | None,
    fusion: tuple[str, ...],
    auditors: tuple[str, ...],
    threshold: int | None,
    priority: int | None,
    attempts: int | None,
    days: float | None,
    invoke: bool,
    arguments: tuple[str, ...],
    limits: tuple[str, ...],
    isolation: tuple[str, ...],
    as_json: bool,
) -> None:
    """Create a task of FUNCTION, an id or NAME@VERSION. Prints the task's id, and its state.

    With your own data and nobody else in it, it is approved by that.
    """
    me = executor.party
    function_id = executor.functions.id_of(function_id)
    given: dict[str, Any] = {}
    for name, item in pairs(inputs, "--input").items():
        given[name] = executor.data.get(item) if item.startswith("data-") else owners(name, item, me)
    made = executor.tasks.create(
        function_id,
        arguments=json_values(arguments),
        inputs=given,
        outputs={name: parties(item, me) for name, item in pairs(outputs, "--output").items()},
        result=parties(result, me) if result else None,
        messages=parties(messages, me) if messages else None,
        limits=pairs(limits, "--limit"),
        invoke=invoke,
        isolation=isolation_of(isolation),
        fusion=fusion,
        auditors={"parties": list(auditors), "threshold": threshold or len(auditors)} if auditors else None,
        priority=priority,
        attempts=attempts,
        approval_s=None if days is None else max(1, int(days * 86400)),
    )
    _tell(made, as_json)


@task.command()
@task_argument
@click.argument("inputs", nargs=-1, required=True, metavar="NAME=DATA...")
@with_executor
def assign(executor: Executor, task_id: str, inputs: tuple[str, ...], as_json: bool) -> None:
    """Give your data to inputs of TASK."""
    from ..task import Task

    _tell(Task(executor, task_id).assign(pairs(inputs, "NAME=DATA")), as_json)


@task.command()
@task_argument
@click.option("--raw", is_flag=True, help="Print exactly the bytes that are approved.")
@with_executor
def contract(executor: Executor, task_id: str, raw: bool, as_json: bool) -> None:
    """Who gives what, who gets what, what runs: the contract of TASK in sentences, and its hash."""
    from ..task import Task

    found = Task(executor, task_id).contract()
    if raw:
        sys.stdout.buffer.write(found.content)
        sys.stdout.flush()
    elif as_json:
        show.event("contract", sha256=found.sha256, contract=found.terms)
    else:
        print(found.explain(executor.party))


@task.command()
@task_argument
@click.option("--sha256", metavar="HASH", help="The contract that you have read: approve exactly this one.")
@click.option("--yes", is_flag=True, help="Approve what is shown without asking.")
@with_executor
def approve(executor: Executor, task_id: str, sha256: str | None, yes: bool, as_json: bool) -> None:
    """Approve the contract of TASK. It is shown and you are asked, or you name its hash with --sha256."""
    from ..task import Task

    found = Task(executor, task_id)
    shown = found.contract()
    if sha256 is not None and sha256.lower() != shown.sha256:
        raise _native.error(
            "WRONG_CONTRACT", f"the contract is {shown.sha256}, not {sha256.lower()}; read it again"
        )
    if sha256 is None:
        show.note(shown.explain(executor.party))
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("nobody to ask here: give --sha256 HASH, or --yes to approve what is shown")
            click.confirm("Approve?", abort=True, err=True)
    _tell(found.approve(shown), as_json)


@task.command()
@task_argument
@with_executor
def withdraw(executor: Executor, task_id: str, as_json: bool) -> None:
    """Take your approval of TASK back, as long as it has not started."""
    from ..task import Task

    _tell(Task(executor, task_id).withdraw(), as_json)


@task.command()
@task_argument
@click.option("--reason", default="", help="For all participants to read, at most 200 characters.")
@with_executor
def reject(executor: Executor, task_id: str, reason: str, as_json: bool) -> None:
    """End TASK for everybody, before it has started."""
    from ..task import Task

    _tell(Task(executor, task_id).reject(reason), as_json)


@task.command()
@task_argument
@nonce_option
@with_executor
def retry(executor: Executor, task_id: str, nonce: str | None, as_json: bool) -> None:
    """Run TASK, which has failed, once more, as often as its contract allows."""
    from ..task import Task

    _tell(Task(executor, task_id).retry(nonce=hexadecimal(nonce, "--nonce")), as_json)


@task.command()
@task_argument
@nonce_option
@with_executor
def invoke(executor: Executor, task_id: str, nonce: str | None, as_json: bool) -> None:
    """Queue TASK, when all have approved."""
    from ..task import Task

    _tell(Task(executor, task_id).invoke(nonce=hexadecimal(nonce, "--nonce")), as_json)


@task.command()
@task_argument
@click.option(
    "--for", "seconds", type=click.FloatRange(min=0), help="Give up after so many seconds; the task goes on."
)
@with_executor
def watch(executor: Executor, task_id: str, seconds: float | None, as_json: bool) -> None:
    """Show progress until TASK is over, and whose approval is missing until then. The exit code tells how it ended."""
    found = executor.tasks.get(task_id)
    with show.reporter(as_json) as report:
        found.wait(report, timeout=seconds)
    _tell(found, as_json)


@task.command("show")
@task_argument
@with_executor
def show_task(executor: Executor, task_id: str, as_json: bool) -> None:
    """Everything that you may know of TASK."""
    from ..contract import people

    found = executor.tasks.get(task_id)
    facts = {name: value for name, value in found.facts.items() if name not in ("result", "messages")}
    for output in facts.get("outputs", {}).values():
        output.pop("sealed_key", None)
    if as_json:
        show.event("task", **facts)
    else:
        show.value(facts)
        show.usage(found.usage, False)
        if found.missing_approvals:
            show.note(f"waits for the approval of {people(found.missing_approvals, executor.party)}")


@task.command()
@task_argument
@click.option("--output", "outputs", multiple=True, metavar="NAME=PATH", help="Save this output.")
@usage_option
@with_executor
def fetch(
    executor: Executor, task_id: str, outputs: tuple[str, ...], with_usage: bool, as_json: bool
) -> None:
    """Wait for TASK, save outputs, print the result if it is yours."""
    found = executor.tasks.get(task_id)
    with show.reporter(as_json) as report:
        found.wait(report, check=False)
        if with_usage:
            show.usage(found.usage, as_json)
        found.raise_for_error()
        saved = save(found, pairs(outputs, "--output"), report)
    tell_saved(saved, as_json)
    result = found.result() if found.facts.get("result") else None
    if as_json:
        show.event("result", task=found.id, result=result, outputs=saved, usage=found.usage, log=found.log)
        return
    show.script_log(found.log)
    if found.facts.get("result"):
        show.value(result)


def save(found: Task, wanted: dict[str, str], report: Reporter) -> dict[str, Any]:
    """Save outputs of a finished task: name -> {path, size}."""
    there = found.outputs
    saved: dict[str, Any] = {}
    for name, path in wanted.items():
        if name not in there:
            have = ", ".join(there) or "none"
            raise _native.error("NOT_FOUND", f"the task has no output {name}; it has {have}", name)
        saved[name] = {"path": path, "size": there[name].save(path, progress=report)}
    return saved


def tell_saved(saved: dict[str, Any], as_json: bool) -> None:
    """Say what was saved, for people."""
    if not as_json:
        for name, facts in saved.items():
            show.note(f"{name} -> {facts['path']} ({facts['size']} bytes)")


@task.command()
@task_argument
@with_executor
def cancel(executor: Executor, task_id: str, as_json: bool) -> None:
    """Stop TASK; nothing of it is released. A script that runs has 2 s to tidy up."""
    from ..task import Task

    _tell(Task(executor, task_id).cancel(), as_json)


@task.command("list")
@with_executor
def list_tasks(executor: Executor, as_json: bool) -> None:
    """Tasks that you take part in."""
    for item in executor.tasks.list():
        if as_json:
            show.event("task", **item)
        else:
            print(f"{item['task']}  {item['state']:<9}  {item['function']}")
