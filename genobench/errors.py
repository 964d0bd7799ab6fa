"""The one exception that speaks to the user."""


class GenobenchError(Exception):
    """Something the user can mend: a file, an option, a plug-in.

    The message names what was wrong, where (file, line, column, sample) and what to do next;
    the command line prints it without a traceback and exits with status 2.
    """
