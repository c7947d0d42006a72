"""The help of every command: an example that can be read, the order of the commands, completion by the shell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

from gpugrad.command import app as cli

ROOT = typer.main.get_command(cli.app)


def commands(group=ROOT, name="gpugrad"):
    """Map "gpugrad bench report" and the like to the command."""
    found = {name: group}
    for child, command in getattr(group, "commands", {}).items():
        found |= commands(command, f"{name} {child}")
    return found


EVERY = commands()


def parse(words):
    """Read the options of a command line as the command would; raise UsageError if it cannot."""
    context = ROOT.make_context("gpugrad", list(words))
    while rest := [*getattr(context, "_protected_args", []), *context.args]:
        _, command, rest = context.command.resolve_command(context, rest)
        context = command.make_context(command.name, rest, parent=context)
        if not hasattr(command, "commands"):
            break


def example(command):
    return re.search(r"Example: (gpugrad .+)", command.help)


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_an_example_that_it_can_read(name):
    found = example(EVERY[name])
    assert found, name
    words = shlex.split(found[1])
    assert found[1].startswith(name)
    parse(words[1:])


def test_an_example_of_an_option_that_does_not_exist_would_be_found():
    with pytest.raises(cli.UsageError):
        parse(["train", "digits", "--hiden", "3"])
    with pytest.raises(cli.UsageError):
        parse(["bench", "reports", "record.json"])


def test_the_commands_are_in_the_order_of_use():
    listed = ROOT.list_commands(ROOT.make_context("gpugrad", []))
    assert listed == ["train", "evaluate", "predict", "export", "descend", "check", "bench", "info", "names"]
    assert set(listed) == set(ROOT.commands)


def completed(words):
    """Return what bash would complete the last word to."""
    environment = {**os.environ, "_GPUGRAD_COMPLETE": "complete_bash", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    done = subprocess.run(
        [sys.executable, "-m", "gpugrad"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_shell_completes_options_and_names():
    assert "--optimizer" in completed("gpugrad train --opt")
    assert completed("gpugrad descend sad") == ["saddle"]
    named = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # the parent is no shell here
    command = [sys.executable, "-m", "gpugrad", "--show-completion", "bash"]
    shown = subprocess.run(command, env=named, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert "_GPUGRAD_COMPLETE=complete_bash" in shown.stdout


NAMED = {  # the parameters whose values are names, by command
    "gpugrad train": {
        "dataset": ("dig", ["digits"]),
        "optimizer": ("ada", ["adadelta", "adagrad", "adagrad-norm", "adam", "adamw"]),
        "activation": ("re", ["relu"]),
        "schedule": ("one", ["one-cycle"]),
        "precision": ("t", ["tf32"]),
        "task": ("reg", ["regression"]),
        "device": ("em", ["emulator"]),
        "toolchain": ("cu", ["cupy"]),
    },
    "gpugrad evaluate": {"dataset": ("mn", ["mnist"])},
    "gpugrad descend": {
        "surface": ("rav", ["ravine"]),
        "optimizer": ("sgd,rms", ["sgd,rmsprop"]),
        "picture": ("bas", ["basins"]),
        "device": ("si", ["simulator"]),
    },
    "gpugrad check": {"only_these": ("sof", ["softmax_cross_entropy"]), "device": ("cp", ["cpu"])},
    "gpugrad bench kernels": {"device": ("c", ["cpu", "cuda", "cuda:1"]), "toolchain": ("numb", ["numba"])},
}


@pytest.mark.parametrize("name", NAMED)
def test_names_are_completed(name):
    command = EVERY[name]
    context = typer.Context(command, resilient_parsing=True)
    parameters = {parameter.name: parameter for parameter in command.params}
    for parameter, (typed, expected) in NAMED[name].items():
        found = [item.value for item in parameters[parameter].shell_complete(context, typed)]
        assert sorted(found) == expected, parameter
