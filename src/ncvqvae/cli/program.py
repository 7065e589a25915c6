"""The program: its verbs, its signals, and one line with exit 2 where usage or input is at fault."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cyclopts import App, CycloptsError

from ncvqvae.cli.describe import encode, export, score
from ncvqvae.cli.draw import extend, impute, sample, vary
from ncvqvae.cli.judge import doctor, evaluate, report, tables
from ncvqvae.cli.train import bench, fit
from ncvqvae.commands.options import in_option_spelling
from ncvqvae.commands.streams import lossy_streams, warnings_in_one_line
from ncvqvae.errors import InputError
from ncvqvae.threads import wait_briefly

app = App(
    name="ncvqvae",
    help="Learn from and generate labelled time series with NC-VQVAE.",
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # main() says what is left and how to go on
)

app.register_install_completion_command(help="Install completion of commands and options in your shell, then exit.")
for verb in (fit, sample, encode, impute, extend, vary, score, export, evaluate, bench, tables, report, doctor):
    app.command(verb)

ENDING = {signal.SIGTERM: "terminated"} | ({signal.SIGHUP: "hung up"} if hasattr(signal, "SIGHUP") else {})
"""Signals besides Ctrl-C that end a command, and what it says then."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 2 with one line on stderr where usage or input is at fault."""
    wait_briefly()
    with lossy_streams(), warnings_in_one_line():
        _carry_out(arguments)


def _carry_out(arguments: list[str] | None) -> None:
    try:
        with _signals_as_interrupt():
            app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(str(error))
    except InputError as error:
        _fail(in_option_spelling(str(error)))
    except OSError as error:
        _fail(
            f"{error.filename or 'file system'}: {error.strerror or error}; free space, or check path and permissions"
        )
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate" not in str(error):  # PyTorch's is a RuntimeError
            raise
        _fail(f"not enough memory ({str(error)[:200]}); choose smaller settings, for example batch_size or chunk_size")
    except KeyboardInterrupt as interrupt:
        number = interrupt.args[0] if interrupt.args and interrupt.args[0] in ENDING else signal.SIGINT
        how, code = ENDING.get(number, "interrupted"), 128 + number
        command = (sys.argv[1:] if arguments is None else arguments)[:1]
        mend = "continue with --resume" if command == ["fit"] else "start the same command again"
        print(f"{how}; what had been written is intact, {mend}", file=sys.stderr)
        sys.exit(code)


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Let signals that end a program unwind it as Ctrl-C does, so that temporary files go and workers end."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]  # nohup asks for it
        before = {number: signal.signal(number, interrupt) for number in ENDING if number not in ignored}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(message: str) -> None:
    print("ncvqvae: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)
