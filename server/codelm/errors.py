"""What can go wrong, as one tree.

::

    CodelmError                 a message for the user: what is wrong, where, and what to do
    ├── VocabularyError         a vocabulary file is broken
    ├── CheckpointError         a model folder is missing, broken or of another version
    ├── UsageError              a command or setting asks for something that cannot be
    ├── StorageError            a file or folder cannot be written
    ├── CorpusError             sources of training data are missing, broken or empty
    └── TrainingError           a training cannot go on: its numbers overflowed, or memory ran out
    Cancelled                   the answer is no longer wanted; not an error to show
"""


class CodelmError(Exception):
    """Base of all errors that a user is shown, as one line."""


class VocabularyError(CodelmError):
    """A vocabulary file is broken."""


class CheckpointError(CodelmError):
    """A model folder is missing, broken or of a version that this codelm does not read."""


class UsageError(CodelmError):
    """A command line, a setting or a recipe asks for something that cannot be."""


class StorageError(CodelmError):
    """A file or folder cannot be written: the disk is full, or it is not ours to replace."""


class CorpusError(CodelmError):
    """Sources of training data are missing, broken or empty."""


class TrainingError(CodelmError):
    """A training cannot go on: its numbers overflowed, or memory ran out."""


class Cancelled(Exception):  # noqa: N818 - a signal, not an error
    """The answer is no longer wanted: a newer request superseded this one, or the client cancelled it."""
