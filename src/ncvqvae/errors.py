"""The one exception that means "the input is at fault, not the program"."""


class InputError(ValueError):
    """Bad usage or bad input: says in one line what is wrong, where, and how to mend it.

    The command line prints the message on stderr and exits with 2.
    """
