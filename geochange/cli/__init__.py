"""The command line: one module a verb, loaded when the verb is used."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
import traceback
import warnings
from typing import TextIO

import click

from geochange.errors import GeochangeError, GeochangeWarning, suggest

VERBS = {
    "info": "Show what a file, a date or a pair holds and how it would be brought together.",
    "align": "Register a pair: write both dates on one grid, each pixel where it belongs.",
    "detect": "Find what changed between two images: the main job.",
    "predict-image": "Say of whole images, or of tiles, whether they changed.",
    "series": "Find when the ground changed over many dates.",
    "vectorize": "Turn a change mask into polygons.",
    "fuse": "Make one change map of several finished runs.",
    "refine": "Bring the borders of a run's changes to the edges of its images.",
    "threshold": "Choose the threshold of a finished run on labels.",
    "evaluate": "Measure a change map against a reference.",
    "methods": "List the change detectors, or show one of them.",
    "models": "List the networks that come with geochange, or show one of them.",
    "sensitivity": "Measure how small and how faint a change a method finds in a pair.",
    "explain": "Say which bands, dates and pixels made a part of a map change.",
    "annotate": "Label change in a browser, with pre-labels to accept or reject.",
    "agree": "Measure how well several people agree; write where not, and what most say.",
    "export": "Write the changes of a finished run, a network or labels in another format.",
    "train": "Train a network on labelled pairs; resumes exactly where it stopped.",
    "finetune": "Train on from a checkpoint, with other scenes and other bands.",
    "tune": "Try settings of a training and keep the best.",
    "batch": "Run detect over a manifest of pairs; resumes where it stopped.",
    "demo": "Run the main job on a sample scene.",
}
OTHER_NAMES = {"register": "align", "coregister": "align", "normalize": "align"}
"""What a verb could be called as well, for the hint."""
INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a verb's module only when that verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a day's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"geochange.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest verb for an unknown one."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            meant = OTHER_NAMES.get(args[0])
            hint = f"; did you mean '{meant}'?" if meant else suggest(args[0], VERBS)
            msg = f"unknown command '{args[0]}'{hint}"
            raise click.UsageError(msg)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="geochange", message="%(prog)s %(version)s")
def geochange() -> None:
    """Find what changed on the ground between georeferenced images of the same place.

    \b
    geochange detect BEFORE.tif AFTER.tif -o OUT
    geochange info BEFORE.tif AFTER.tif

    Exit codes: 0 ok, 1 failed, 2 usage, 3 some batch items or parts of an input failed, 4 input
    invalid or unreadable, 5 output exists, 6 not enough disk or memory, 130 interrupted.
    """


def main(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are one line on stderr."""
    arguments = sys.argv[1:] if args is None else args
    verbose = sum(a.count("v") for a in arguments if a in ("-v", "-vv", "-vvv", "--verbose"))
    _interrupt_on_terminate()
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", GeochangeWarning)
    try:
        result = geochange.main(arguments, prog_name="geochange", standalone_mode=False)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        return _fail(f"interrupted; {_notes(error) or 'nothing was left behind'}", INTERRUPTED)
    except GeochangeError as error:
        _trace(verbose)
        return _fail("; ".join(filter(None, (str(error), _notes(error)))), error.exit_code)
    except MemoryError:
        _trace(verbose)
        return _fail("not enough memory; set --memory-limit or use fewer --threads", 6)
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, then exit 1
        _trace(verbose)
        words = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
        return _fail("; ".join(filter(None, (words, _notes(error), "-vv shows where"))), 1)
    return result if isinstance(result, int) else 0


def _interrupt_on_terminate() -> None:
    """Let a polite kill end like Ctrl-C: what is finished is kept."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


def _fail(message: str, code: int) -> int:
    click.echo(f"error: {message}", err=True)
    return code


def _notes(error: BaseException) -> str:
    """Return what was added to an error on its way, such as that a run can be resumed."""
    origin = error.__cause__ if isinstance(error, click.Abort) else error
    return "; ".join(getattr(origin, "__notes__", ()))


def _trace(verbose: int) -> None:
    if verbose > 1:
        traceback.print_exc()


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if issubclass(category, GeochangeWarning):
        click.echo(f"warning: {message}", err=True)
